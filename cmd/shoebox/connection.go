package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"shoebox/search"
	"shoebox/storage"
)

// connectEvery is the pause between two attempts to reach the database, and
// between two looks for what search does not show yet.
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

func (c *connection) Failures(ctx context.Context, folderIDs []int64) iter.Seq2[storage.FailedFile, error] {
	failures, err := onLibrary(c, func(l *library) (iter.Seq2[storage.FailedFile, error], error) {
		return l.Failures(ctx, folderIDs), nil
	})
	if err != nil {
		return func(yield func(storage.FailedFile, error) bool) { yield(storage.FailedFile{}, err) }
	}
	return failures
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

// heldIndex is the search index of a process that runs for long: it takes hold
// of it as soon as no other process has it.
type heldIndex struct {
	settings *settings
	feed     search.Feed

	mu        sync.Mutex
	projector *projector
}

func holdIndex(s *settings, feed search.Feed) (*heldIndex, error) {
	projector, err := newProjector(s, feed)
	if err != nil {
		return nil, fmt.Errorf("the search index: %w", err)
	}
	return &heldIndex{settings: s, feed: feed, projector: projector}, nil
}

func (h *heldIndex) current() *projector {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.projector
}

// takeOver takes hold of an index that nobody holds any more.
func (h *heldIndex) takeOver() error {
	if h.current().index != nil {
		return nil
	}
	projector, err := newProjector(h.settings, h.feed)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.projector = projector
	return nil
}

// follow takes over what is new in the database until ctx ends, whoever changed
// it.
func (h *heldIndex) follow(ctx context.Context) {
	quiet := ""
	for ctx.Err() == nil {
		err := h.takeOver()
		if err == nil {
			err = h.current().Finish(ctx)
		}
		switch {
		case err == nil:
			quiet = ""
		case ctx.Err() == nil && !errors.Is(err, storage.ErrUnavailable) && err.Error() != quiet:
			quiet = err.Error()
			slog.Warn("search could not be brought up to date", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(connectEvery):
		}
	}
}
