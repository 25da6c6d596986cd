package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"shoebox/storage"
)

// connectEvery is the pause between two attempts to reach the database.
const connectEvery = 2 * time.Second

// connection is a library for a process that goes on without one: until it is
// open, everything that is asked of it is storage.ErrUnavailable.
type connection struct {
	settings *settings
	progress io.Writer

	mu      sync.Mutex
	library *library // nil: not open yet
	problem error    // why

	saving sync.WaitGroup
}

// connected is a connection to a library that is open already, and that
// somebody else closes.
func connected(l *library) *connection { return &connection{library: l} }

// keepOpen opens the library as soon as that works, and starts the private
// server again when it has gone, until ctx ends.
func (c *connection) keepOpen(ctx context.Context) {
	quiet := ""
	for ctx.Err() == nil {
		err := c.check(ctx)
		switch {
		case err == nil && quiet != "":
			slog.Info("the database answers")
			quiet = ""
		case err != nil && ctx.Err() == nil && err.Error() != quiet:
			quiet = err.Error()
			slog.Warn("there is no database now: search goes on without", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(connectEvery):
		}
	}
}

// check opens the library if it is not, or sees whether it still answers.
func (c *connection) check(ctx context.Context) error {
	if library, err := c.open(ctx); err != nil {
		return err
	} else if _, err = library.CountFiles(ctx, nil); err == nil || library.server == nil || !errors.Is(err, storage.ErrUnavailable) {
		return err
	} else {
		return errors.Join(err, library.server.Revive(ctx))
	}
}

func (c *connection) open(ctx context.Context) (*library, error) {
	c.mu.Lock()
	opened := c.library
	c.mu.Unlock()
	if opened != nil {
		return opened, nil
	}
	opened, err := openLibrary(ctx, c.settings, c.progress)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.library, c.problem = opened, err; err != nil {
		return nil, err
	}
	c.saving.Go(func() { saveEdits(ctx, opened.Store, filepath.Join(c.settings.data, "edits"), ctx.Done()) })
	return opened, nil
}

// Close gives the library back once ctx of keepOpen has ended.
func (c *connection) Close() error {
	c.saving.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.library != nil {
		c.library.Close()
	}
	return nil
}

// notConnected is why there is no library. It passes by itself.
type notConnected struct{ error }

func (e notConnected) Unwrap() error        { return e.error }
func (e notConnected) Is(target error) bool { return target == storage.ErrUnavailable }

// onLibrary asks the library, if there is one.
func onLibrary[T any](c *connection, ask func(*library) (T, error)) (T, error) {
	c.mu.Lock()
	library, problem := c.library, c.problem
	c.mu.Unlock()
	if library == nil {
		var none T
		if problem == nil {
			problem = errors.New("it is being opened")
		}
		return none, notConnected{problem}
	}
	return ask(library)
}

func (c *connection) PhotosByID(ctx context.Context, ids []storage.PhotoID) ([]storage.Change, error) {
	return onLibrary(c, func(l *library) ([]storage.Change, error) { return l.PhotosByID(ctx, ids) })
}

func (c *connection) EditCaption(ctx context.Context, id storage.PhotoID, text string) error {
	_, err := onLibrary(c, func(l *library) (none struct{}, err error) { return none, l.EditCaption(ctx, id, text) })
	return err
}

func (c *connection) UndoEdit(ctx context.Context, id storage.PhotoID) error {
	_, err := onLibrary(c, func(l *library) (none struct{}, err error) { return none, l.UndoEdit(ctx, id) })
	return err
}

func (c *connection) Vocabulary(ctx context.Context, model string) (storage.Vocabulary, error) {
	return onLibrary(c, func(l *library) (storage.Vocabulary, error) { return l.Vocabulary(ctx, model) })
}

func (c *connection) Changes(ctx context.Context, after storage.Cursor, limit int) (storage.Changes, error) {
	return onLibrary(c, func(l *library) (storage.Changes, error) { return l.Changes(ctx, after, limit) })
}

func (c *connection) Shown(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error) {
	return onLibrary(c, func(l *library) (map[storage.PhotoID]bool, error) { return l.Shown(ctx, ids) })
}

func (c *connection) Lag(ctx context.Context, after storage.Cursor, most int) (storage.Lag, error) {
	return onLibrary(c, func(l *library) (storage.Lag, error) { return l.Lag(ctx, after, most) })
}

func (c *connection) SetPaused(ctx context.Context, paused bool) error {
	_, err := onLibrary(c, func(l *library) (none struct{}, err error) { return none, l.SetPaused(ctx, paused) })
	return err
}

func (c *connection) FailuresAfter(ctx context.Context, after storage.FailurePlace, n int) ([]storage.FailedFile, error) {
	return onLibrary(c, func(l *library) ([]storage.FailedFile, error) { return l.FailuresAfter(ctx, after, n) })
}

func (c *connection) RetryFailures(ctx context.Context, paths []string) (int, error) {
	return onLibrary(c, func(l *library) (int, error) { return l.RetryFailures(ctx, paths) })
}

func (c *connection) CountFiles(ctx context.Context, folderIDs []int64) (storage.Counts, error) {
	return onLibrary(c, func(l *library) (storage.Counts, error) { return l.CountFiles(ctx, folderIDs) })
}

func (c *connection) Status(ctx context.Context) (storage.Status, error) {
	return onLibrary(c, func(l *library) (storage.Status, error) { return l.Status(ctx) })
}
