package main

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"shoebox/cmd/shoebox/runtime"
	"shoebox/storage"
	"shoebox/storage/edits"
	"shoebox/storage/mounted"
	"shoebox/storage/patient"
	"shoebox/storage/postgres"
	"shoebox/storage/private"
)

// ensureRuntime finds a part of the runtime, and fetches it if it is missing.
func ensureRuntime(ctx context.Context, s *settings, progress io.Writer, part runtime.Part) (runtime.Runtime, error) {
	found, missing := runtime.Find(s.data)
	if !slices.Contains(missing, part) {
		return found, nil
	}
	return runtime.Setup(ctx, s.data, progress, part)
}

// library is an open store and what has to be closed with it.
type library struct {
	storage.Store                 // with the paths of this machine
	postgres      *postgres.Store // what is below it
	server        *private.Server // nil: a server named by DATABASE_URL
}

// longRun is for commands that work for hours. From now on the library waits
// while the database is away, and starts the private one again; other commands
// say at once what is wrong, and so does the first connection, for which a wrong
// URL is likelier than an outage. Beside the command, the captions that people
// wrote are saved every day, until stop is called.
func (l *library) longRun(ctx context.Context, s *settings) (stop func()) {
	var revive func(context.Context) error
	if l.server != nil {
		revive = l.server.Revive
	}
	source := l.Store
	l.Store = patient.New(source, revive)
	ended := make(chan struct{})
	var saving sync.WaitGroup
	saving.Go(func() { saveEdits(ctx, source, filepath.Join(s.data, "edits"), ended) })
	return func() { close(ended); saving.Wait() }
}

// saveEdits looks every hour whether a new day's file is due, and at least once.
func saveEdits(ctx context.Context, source edits.Source, dir string, ended <-chan struct{}) {
	for {
		if err := edits.Save(ctx, source, dir, time.Now()); err != nil && ctx.Err() == nil {
			slog.Warn("the captions that people wrote could not be saved beside the database", "folder", dir, "error", err)
		}
		select {
		case <-time.After(time.Hour):
		case <-ended:
			return
		}
	}
}

// Close gives the connections back; the private server stops by itself when
// its last user has gone.
func (l *library) Close() {
	l.Store.Close()
	if l.server != nil {
		l.server.Close()
	}
}

// withLibrary makes a command of a function that works on the open library.
func withLibrary(s *settings, run func(*cobra.Command, *library, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		l, err := openLibrary(cmd.Context(), s, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer l.Close()
		return run(cmd, l, args)
	}
}

// openLibrary connects to the database. The private one is started and
// migrated as needed; one that a person runs is only ever migrated by
// `shoebox migrate`.
func openLibrary(ctx context.Context, s *settings, progress io.Writer) (*library, error) {
	// Whoever makes it first decides whether a private database's user gets
	// there, now or later.
	if err := private.MakeDataDir(s.data); err != nil {
		return nil, err
	}
	url, server, err := database(ctx, s, progress)
	if err != nil {
		return nil, err
	}
	l := &library{server: server}
	if server != nil {
		if _, _, err := postgres.Migrate(ctx, url); err != nil {
			server.Close()
			return nil, err
		}
	}
	mounts, err := mounted.Load(mountsFile(s))
	if err == nil {
		l.postgres, err = postgres.Open(ctx, url)
	}
	if err != nil {
		if server != nil {
			server.Close()
		}
		return nil, err
	}
	l.Store = mounted.Store{Store: l.postgres, Mounts: mounts}
	return l, nil
}

// database returns the URL of the database to use; the server is nil when
// DATABASE_URL names one.
func database(ctx context.Context, s *settings, progress io.Writer) (string, *private.Server, error) {
	if s.databaseURL != "" {
		return s.databaseURL, nil, nil
	}
	installed, err := ensureRuntime(ctx, s, progress, runtime.Postgres)
	if err != nil {
		return "", nil, err
	}
	server, err := private.Start(ctx, private.Config{BinDir: installed.PostgresBin, DataDir: s.data})
	if err != nil {
		return "", nil, err
	}
	return server.URL(), server, nil
}
