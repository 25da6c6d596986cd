package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"shoebox/search"
	"shoebox/storage"
)

// lookEvery is the pause between two looks for what search does not show yet.
const lookEvery = 2 * time.Second

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
		case <-time.After(lookEvery):
		}
	}
}

// projectorIndex is web.Index on a projector, which may be another one later.
type projectorIndex struct{ current func() *projector }

func (i projectorIndex) Search(ctx context.Context, r search.Request) (result search.Result, err error) {
	err = i.current().with(ctx, func(s search.Searcher) error {
		result, err = s.Search(ctx, r)
		return err
	})
	return result, err
}

func (i projectorIndex) Info(ctx context.Context) (info search.Info, err error) {
	err = i.current().with(ctx, func(s search.Searcher) error {
		info, err = s.Info(ctx)
		return err
	})
	return info, err
}

func (i projectorIndex) Documents(ctx context.Context, after string, limit int) ([]search.Hit, error) {
	return i.current().Documents(ctx, after, limit)
}

func (i projectorIndex) CatchUp(ctx context.Context) error { return i.current().Finish(ctx) }
