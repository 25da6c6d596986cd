package indexer

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"shoebox/indexer/scan"
	"shoebox/indexer/watch"
	"shoebox/storage"
)

const (
	// workAnyway is how often a Watch looks for what no scan has told of:
	// files that other workers gave back, that are tried again, or that a
	// person put back into the queue, and captions that others wrote.
	workAnyway = 5 * time.Second
	// listAgain is how often it asks which folders to watch.
	listAgain = time.Minute
)

// WatchStore is what watching needs of storage.Store.
type WatchStore interface {
	watch.Store
	CountFiles(ctx context.Context, folderIDs []int64) (storage.Counts, error)
}

// Watch keeps folders captioned while it runs: a watcher for each finds what
// is new, and a worker takes it up.
type Watch struct {
	Store    WatchStore
	Settings watch.Settings
	// Folders lists what to watch. It is asked again every minute: a person
	// may have remembered another one.
	Folders func(context.Context) ([]storage.Folder, error)
	// Work captions what is pending in the folders that are there, by ID, and
	// returns when nothing is left.
	Work func(ctx context.Context, roots map[int64]Root) error
	// Changed is called when storage may know something new; never nil.
	Changed func()

	wake chan struct{}

	mu       sync.Mutex
	watchers map[int64]*watch.Watcher
}

// Run watches until ctx ends; then it returns nil.
func (w *Watch) Run(ctx context.Context) error {
	w.wake = make(chan struct{}, 1)
	w.watchers = make(map[int64]*watch.Watcher)
	group, work := errgroup.WithContext(ctx)
	group.Go(func() error { return w.watch(work, group) })
	group.Go(func() error { return w.work(work) })
	err := group.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// watch starts a watcher for each folder when it is first listed.
func (w *Watch) watch(ctx context.Context, group *errgroup.Group) error {
	for {
		folders, err := w.Folders(ctx)
		if err != nil {
			return err
		}
		for _, folder := range folders {
			if watcher := w.add(folder); watcher != nil {
				group.Go(func() error { return watcher.Run(ctx) })
			}
		}
		select {
		case <-time.After(listAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add returns a watcher for a folder that has none yet, else nil.
func (w *Watch) add(folder storage.Folder) *watch.Watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchers[folder.ID] != nil {
		return nil
	}
	watcher := watch.New(w.Store, folder, w.Settings, w.looked)
	w.watchers[folder.ID] = watcher
	return watcher
}

func (w *Watch) looked(scan.Summary) {
	w.Changed()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// work lets the worker loose whenever there may be something to do.
func (w *Watch) work(ctx context.Context) error {
	for {
		select {
		case <-w.wake:
		case <-time.After(workAnyway):
			w.Changed()
		case <-ctx.Done():
			return ctx.Err()
		}
		roots := w.roots()
		if len(roots) == 0 {
			continue
		}
		counts, err := w.Store.CountFiles(ctx, slices.Sorted(maps.Keys(roots)))
		if err != nil {
			return err
		}
		if counts.Pending+counts.Leased+counts.Retrying == 0 {
			continue
		}
		if err := w.Work(ctx, roots); err != nil {
			if ctx.Err() != nil || len(w.roots()) == len(roots) {
				return err
			}
			slog.Warn("a folder went away, the others go on", "error", err)
		}
	}
}

// roots are the folders that are there; of one that is not any more, its
// watcher is told.
func (w *Watch) roots() map[int64]Root {
	w.mu.Lock()
	defer w.mu.Unlock()
	roots := make(map[int64]Root)
	for id, watcher := range w.watchers {
		switch root, stands := watcher.Root(); {
		case stands:
			roots[id] = Root{Path: watcher.Path(), Info: root, Scanned: true}
		case root != nil:
			watcher.LookAgain()
		}
	}
	return roots
}
