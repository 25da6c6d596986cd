package main

import (
	"context"
	"fmt"
	"io"
	stdruntime "runtime"
	"slices"

	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/cmd/shoebox/runtime"
	"shoebox/storage/postgres"
	"shoebox/storage/private"
)

// modelFlags choose the captioning model.
type modelFlags struct {
	dir     string
	threads int
}

func (m *modelFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.dir, "model", "", "folder of another model, as train/export.py writes it (default the model in the binary)")
	cmd.Flags().IntVar(&m.threads, "threads", stdruntime.NumCPU(), "processor threads to use")
}

// openCaptioner loads the model, fetching the runtime first if it is missing.
func openCaptioner(ctx context.Context, s *settings, m modelFlags, progress io.Writer) (*captioner.Captioner, error) {
	if m.threads < 1 {
		return nil, &usageError{fmt.Errorf("--threads %d: want 1 or more", m.threads)}
	}
	installed, err := ensureRuntime(ctx, s, progress, runtime.ONNXRuntime)
	if err != nil {
		return nil, err
	}
	return captioner.Open(captioner.Config{Library: installed.ONNXRuntime, ModelDir: m.dir, Threads: m.threads})
}

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
	*postgres.Store
	server *private.Server // nil: a server named by DATABASE_URL
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
	if l.Store, err = postgres.Open(ctx, url); err != nil {
		if server != nil {
			server.Close()
		}
		return nil, err
	}
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
