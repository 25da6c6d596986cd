package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"shoebox/indexer"
	"shoebox/search"
)

// projectEvery is the pause between projections while captions come in.
// Bleve is fastest in large batches, and nobody searches within seconds.
const projectEvery = 3 * time.Second

// indexDir is where the search index of a data folder is.
func indexDir(s *settings) string { return filepath.Join(s.data, "search") }

// projector keeps the search index in step with the database while a
// command works, and answers other processes' searches meanwhile. When
// another process holds the index, that one does both.
type projector struct {
	dir   string
	feed  search.Feed
	index *search.Index // nil: another process holds it
	// stages, unless nil, is told how long projecting takes.
	stages *indexer.Stages

	wake      chan struct{}
	stopServe context.CancelFunc
	serving   sync.WaitGroup
}

func newProjector(s *settings, feed search.Feed) (*projector, error) {
	p := &projector{dir: indexDir(s), feed: feed, wake: make(chan struct{}, 1), stopServe: func() {}}
	index, err := search.OpenWriter(p.dir)
	if errors.Is(err, search.ErrLocked) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.index = index
	p.Wake() // an index that is missing or damaged is built again at once
	ctx, stop := context.WithCancel(context.Background())
	p.stopServe = stop
	p.serving.Add(1)
	go func() {
		defer p.serving.Done()
		if err := index.Serve(ctx, feed); err != nil && ctx.Err() == nil {
			slog.Warn("other processes cannot search while this one runs", "error", err)
		}
	}()
	return p, nil
}

// Wake says that there is something to project.
func (p *projector) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Follow projects after each Wake until done is closed. An error does not
// stop the captioning: Finish tries again.
func (p *projector) Follow(ctx context.Context, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-p.wake:
		}
		if err := p.Finish(ctx); err != nil && ctx.Err() == nil {
			slog.Error("search could not be brought up to date", "error", err)
		}
		select {
		case <-done:
			return
		case <-time.After(projectEvery):
		}
	}
}

// Finish brings the index up to what the database holds now.
func (p *projector) Finish(ctx context.Context) error {
	var photos int
	var err error
	began := time.Now()
	if p.index != nil {
		photos, err = p.index.Project(ctx, p.feed)
	} else {
		photos, err = search.CatchUp(ctx, p.dir, p.feed)
	}
	if p.stages != nil {
		p.stages.Add(indexer.Projecting, photos, time.Since(began))
	}
	return err
}

// Usable implements verify.Index.
func (p *projector) Usable(ctx context.Context) error {
	return p.with(ctx, func(s search.Searcher) error {
		_, err := s.Info(ctx)
		if errors.Is(err, search.ErrBuilding) {
			return errors.New("the search index is missing, damaged or of another version")
		}
		return err
	})
}

// Documents implements verify.Index.
func (p *projector) Documents(ctx context.Context, after string, limit int) (hits []search.Hit, err error) {
	err = p.with(ctx, func(s search.Searcher) error {
		hits, err = s.Documents(ctx, after, limit)
		return err
	})
	return hits, err
}

// Remove implements verify.Index.
func (p *projector) Remove(ctx context.Context, photos []string) error {
	if p.index != nil {
		return p.index.Remove(ctx, photos)
	}
	return search.Remove(ctx, p.dir, photos)
}

// with asks the index that is held, by whoever. One that is opened to be read
// is not kept open, since nobody could project then.
func (p *projector) with(ctx context.Context, ask func(search.Searcher) error) error {
	if p.index != nil {
		return ask(p.index)
	}
	s, err := search.Open(ctx, p.dir)
	if err != nil {
		return err
	}
	return errors.Join(ask(s), s.Close())
}

// Close lets go of the index.
func (p *projector) Close() error {
	p.stopServe()
	p.serving.Wait()
	if p.index == nil {
		return nil
	}
	return p.index.Close()
}

// projectNow brings search up to date after a command that changed what it
// shows.
func projectNow(ctx context.Context, s *settings, library *library) error {
	_, err := search.CatchUp(ctx, indexDir(s), library)
	return err
}

// indexStatus says what the search index holds and whether it is behind.
func indexStatus(ctx context.Context, s *settings, library *library) indexReport {
	index, err := search.Open(ctx, indexDir(s))
	if err != nil {
		return indexReport{Problem: err.Error()}
	}
	defer index.Close()
	info, err := index.Info(ctx)
	if err != nil {
		return indexReport{Problem: err.Error()}
	}
	missed, err := library.Lag(ctx, info.Cursor, mostLag+1)
	if err != nil {
		return indexReport{Photos: int(info.Photos), Problem: err.Error()}
	}
	blockers, err := library.postgres.FeedBlockers(ctx)
	if err != nil {
		return indexReport{Photos: int(info.Photos), Problem: err.Error()}
	}
	report := indexReport{
		Photos: int(info.Photos),
		Behind: missed.Restart || missed.Photos > 0,
		lag:    missed,
	}
	for _, b := range blockers {
		report.HeldBackBy = append(report.HeldBackBy, fmt.Sprintf("%s (process %d of the server, since %s)", b.Application, b.PID, b.Since.Local().Format("15:04:05")))
	}
	return report
}
