package search

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"shoebox/storage"
)

// batchSize is how many photos go into the index at a time: the fastest, and
// 200 MB of memory where five times as many take 360.
const batchSize = 1000

// Project follows the change feed to its end, or builds the index from the
// beginning if it has to, beside the one that is searched meanwhile. It
// returns how many changes it took over. Killed at any moment, the next one
// goes on. It may be called by many goroutines; one at a time projects.
func (ix *Index) Project(ctx context.Context, feed Feed) (n int, err error) {
	return ix.alone(ctx, func(ctx context.Context) (int, error) {
		ix.mu.RLock()
		live := ix.live // only a projection changes it
		ix.mu.RUnlock()
		if live != nil && !ix.markedDamaged() {
			n, err = follow(ctx, feed, live, nil)
			if !errors.Is(err, errRestart) && !errors.Is(err, ErrDamaged) {
				return n, err
			}
			slog.Warn("the search index has to be built again", "cause", err)
		}
		return ix.rebuild(ctx, feed)
	})
}

// Rebuild builds the index from the beginning of the feed, beside the one that
// is searched meanwhile, and swaps them.
func (ix *Index) Rebuild(ctx context.Context, feed Feed) (n int, err error) {
	return ix.alone(ctx, func(ctx context.Context) (int, error) { return ix.rebuild(ctx, feed) })
}

// alone runs one projection at a time, until ctx ends or the index is closed.
func (ix *Index) alone(ctx context.Context, projection func(context.Context) (int, error)) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ix.closing, cancel)()
	select {
	case ix.projecting <- struct{}{}:
		defer func() { <-ix.projecting }()
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return projection(ctx)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (ix *Index) rebuild(ctx context.Context, feed Feed) (n int, err error) {
	for {
		next, err := ix.createNext()
		if err != nil {
			return 0, err
		}
		n, err = follow(ctx, feed, next, &ix.built)
		if err == nil {
			if err = ix.replaceLive(ctx, next); err == nil {
				return n, ix.sweep()
			}
		}
		err = errors.Join(err, ix.dropNext(next))
		if !errors.Is(err, errRestart) {
			return 0, err
		}
	}
}

// errRestart means that the feed is another than the one followed so far.
var errRestart = errors.New("the database is another one, or was restored, since the search index followed it")

// follow applies a feed to its end and returns the number of changes. done,
// unless nil, counts the photos as they come.
func follow(ctx context.Context, feed Feed, g *generation, done *atomic.Int64) (n int, err error) {
	cursor, err := g.cursor()
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(ctx)
	pages := readAhead(ctx, feed, cursor, g.language)
	defer func() {
		stop()
		for range pages { // the feed is not used once follow has returned
		}
	}()
	for p := range pages {
		if p.err != nil {
			return n, p.err
		}
		if p.changes.Restart {
			return n, errRestart
		}
		if p.changes.Next != cursor {
			if err := g.apply(ctx, feed, p, done == nil); err != nil {
				return n, err
			}
		}
		n += len(p.changes.Items)
		for _, c := range p.changes.Items {
			if done != nil && len(c.Paths) > 0 {
				done.Add(1)
			}
		}
		if cursor = p.changes.Next; !p.changes.More {
			return n, nil
		}
	}
	return n, ctx.Err()
}

// page is some changes of a feed, and what is said about their photos.
type page struct {
	changes storage.Changes
	texts   []texts
	err     error
}

func (l *language) page(changes storage.Changes) page {
	p := page{changes: changes}
	for _, c := range changes.Items {
		p.texts = append(p.texts, l.textsOf(c))
	}
	return p
}

// readAhead reads a feed to its end, or until ctx ends, a page ahead of whoever
// takes them: databases are waited for while Bleve works.
func readAhead(ctx context.Context, feed Feed, cursor storage.Cursor, l *language) <-chan page {
	pages := make(chan page)
	go func() {
		defer close(pages)
		for more := true; more; {
			changes, err := feed.Changes(ctx, cursor, batchSize)
			p := l.page(changes)
			p.err = err
			select {
			case pages <- p:
			case <-ctx.Done():
				return
			}
			cursor, more = changes.Next, err == nil && changes.More && !changes.Restart
		}
	}()
	return pages
}

// CatchUp makes sure that the index in dir holds everything that is in the
// feed now, and returns how many changes that took: it projects, or asks the
// process that holds the index to, and takes over if that one leaves.
func CatchUp(ctx context.Context, dir string, feed Feed) (n int, err error) {
	return hold(ctx, dir, func(ix *Index) (int, error) { return ix.Project(ctx, feed) }, request{Op: "project"}, nil)
}

// Rebuild builds the index in dir again from the beginning of the feed, or has
// the process that holds it do so from its own, and returns how many photos
// came. Meanwhile progress, unless nil, is told how many have come so far.
func Rebuild(ctx context.Context, dir string, feed Feed, progress func(built int64)) (n int, err error) {
	return hold(ctx, dir, func(ix *Index) (int, error) {
		if progress == nil {
			return ix.Rebuild(ctx, feed)
		}
		return whileTelling(func() { progress(ix.built.Load()) }, func() (int, error) { return ix.Rebuild(ctx, feed) })
	}, request{Op: "rebuild"}, progress)
}

// hold does something with the index in dir as its holder. Where another
// process holds it, that one is asked to; when it leaves, we take over.
func hold(ctx context.Context, dir string, do func(*Index) (int, error), question request, progress func(int64)) (int, error) {
	said := false
	for began := time.Now(); ; {
		ix, err := OpenWriter(dir)
		if err == nil {
			n, err := do(ix)
			return n, errors.Join(err, ix.Close())
		}
		if !errors.Is(err, ErrLocked) {
			return 0, err
		}
		n, askErr := askHolder(ctx, dir, question, progress)
		if askErr == nil || !errors.Is(askErr, errGone) {
			return n, askErr
		}
		if !said && time.Since(began) > patience {
			slog.Warn("waiting for the process that holds the search index", "cause", err)
			said = true
		}
		if err := pause(ctx, retryEvery); err != nil {
			return 0, err
		}
	}
}

// whileTelling calls tell every second while work goes on.
func whileTelling(tell func(), work func() (int, error)) (n int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err = work()
	}()
	beat := time.NewTicker(stillWorking)
	defer beat.Stop()
	for {
		select {
		case <-done:
			return n, err
		case <-beat.C:
			tell()
		}
	}
}
