// Package watch notices what changes in a folder while it runs.
//
// What the kernel tells is taken for hints only: they say where to look, and
// package scan decides what is there. Every now and then the whole folder is
// looked through all the same, and folders of which the kernel tells nothing
// (network file systems, too many folders) are looked through more often. It
// never captions anything and never opens a picture to read it.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"shoebox/indexer/scan"
	"shoebox/storage"
)

const (
	// reportEvery is how often storage is told that a folder is watched.
	reportEvery = time.Minute
	// Silence is after what time a watcher counts as dead.
	Silence = 3 * reportEvery
	// pollRatio is how much longer than a look the pause after it is, where
	// looking is all there is: a tenth of the time goes into it.
	pollRatio = 10
	// lookRatio is the same for a look that lost events ask for.
	lookRatio = 3
)

// Store is what watching needs of storage.Store.
type Store interface {
	scan.Store
	ReportWatch(ctx context.Context, folderID int64, mode storage.WatchMode, reason string) error
}

// Settings say how long to wait for what.
type Settings struct {
	// Quiet is how long a file must not have changed before it is taken up.
	Quiet time.Duration
	// Limit is how long a file is waited for that goes on changing.
	Limit time.Duration
	// Rescan is after what time a folder is looked through anyway.
	Rescan time.Duration
	// Poll is the shortest pause between two looks through a folder of which
	// the kernel does not tell everything. It grows with the time that a look
	// takes, up to Rescan.
	Poll time.Duration
	// Skip is an absolute path that is not walked.
	Skip string
	// ConfirmEmpty is for the first look only (scan.Options).
	ConfirmEmpty bool
}

// Watcher follows one folder.
type Watcher struct {
	Store    Store
	Settings Settings
	// Looked is called after each full look and each that changed something;
	// never nil.
	Looked func(scan.Summary)

	hints    hints
	settling settling
	notices  notices
	again    chan struct{} // a full look is wanted

	mu     sync.Mutex
	folder storage.Folder
	root   fs.FileInfo // nil: the last look found a problem
	mode   storage.WatchMode
	reason string
}

// New returns a Watcher of a folder, which Run starts.
func New(store Store, folder storage.Folder, settings Settings, looked func(scan.Summary)) *Watcher {
	w := &Watcher{Store: store, Settings: settings, Looked: looked, folder: folder, again: make(chan struct{}, 1)}
	w.hints.wait = settings.Quiet
	w.settling = settling{root: folder.Path, quiet: settings.Quiet, limit: settings.Limit}
	w.notices = notices{root: folder.Path, hints: &w.hints, folders: make(map[string]watched), paths: make(map[inode]string)}
	return w
}

// Path is where the folder is.
func (w *Watcher) Path() string { return w.settling.root }

// Root returns what the folder was at its last look, nil if that could not be
// trusted, and whether it still stands there.
func (w *Watcher) Root() (root fs.FileInfo, stands bool) {
	w.mu.Lock()
	root = w.root
	on := w.folder.FileSystem
	w.mu.Unlock()
	return root, root != nil && scan.Stands(w.folder.Path, root) && scan.FileSystem(w.folder.Path) == on
}

// LookAgain asks for a look through the whole folder.
func (w *Watcher) LookAgain() {
	select {
	case w.again <- struct{}{}:
	default:
	}
}

// Run watches until ctx ends, or until the folder is forgotten; then it
// returns nil. An error is storage's.
func (w *Watcher) Run(ctx context.Context) error {
	events, stop := w.listen()
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	if events != nil {
		group.Go(func() error {
			w.notices.drain(ctx, events.Events, events.Errors)
			return nil
		})
	}
	group.Go(func() error { return w.lookThrough(ctx) })
	group.Go(func() error { return w.followHints(ctx) })
	group.Go(func() error { return w.report(ctx) })
	err := group.Wait()
	w.signOff(ctx)
	if errors.Is(err, storage.ErrUnknownFolder) {
		slog.Info("no longer watched: it was forgotten", "folder", w.folder.Path)
		return nil
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// listen asks the kernel for events, if it can tell of this folder.
func (w *Watcher) listen() (events *fsnotify.Watcher, stop func()) {
	if name, is := remote(w.folder.Path); is {
		w.notices.reason = fmt.Sprintf("on %s, changes that others make are not told of", name)
		return nil, func() {}
	}
	events, err := fsnotify.NewWatcher()
	switch {
	case errors.Is(err, unix.EMFILE):
		w.notices.reason = "the system's limit of watchers is reached: raise fs.inotify.max_user_instances " +
			"(`sysctl fs.inotify.max_user_instances=1024`)"
		return nil, func() {}
	case err != nil:
		w.notices.reason = fmt.Sprintf("the system does not tell of changes: %v", err)
		return nil, func() {}
	}
	w.notices.notify = events
	return events, func() { events.Close() }
}

// lookThrough looks through the whole folder at once, then every now and
// then and whenever that is asked for.
func (w *Watcher) lookThrough(ctx context.Context) error {
	for {
		began := time.Now()
		if err := w.look(ctx); err != nil {
			return err
		}
		took := time.Since(began)
		w.settling.forget(time.Now())
		select {
		case <-time.After(w.pause(took)):
		case <-w.again:
			// However many events are lost, most of the time is for others.
			if err := sleep(ctx, lookRatio*took); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pause is how long the folder may go without a look through it all.
func (w *Watcher) pause(took time.Duration) time.Duration {
	if root, _ := w.Root(); root != nil && w.watched() {
		return w.Settings.Rescan
	}
	return min(max(w.Settings.Poll, pollRatio*took), w.Settings.Rescan)
}

func (w *Watcher) watched() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mode == storage.Watched
}

// look looks through the whole folder.
func (w *Watcher) look(ctx context.Context) error {
	options := w.options()
	options.ConfirmEmpty = w.Settings.ConfirmEmpty
	w.Settings.ConfirmEmpty = false
	w.notices.begin()
	summary, err := scan.Folder(ctx, w.Store, w.remembered(), options)
	if err := w.judge(summary, err); err != nil {
		return err
	}
	w.Looked(summary)
	if _, stands := w.Root(); !stands {
		w.notices.dropAll()
	}
	mode, reason := w.notices.end()
	w.mu.Lock()
	changed := w.mode != mode || w.reason != reason
	w.mode, w.reason = mode, reason
	w.mu.Unlock()
	if !changed {
		return nil
	}
	if reason != "" {
		slog.Warn("not all changes are told of, so the folder is looked through again and again", "folder", w.folder.Path, "why", reason)
	}
	return w.Store.ReportWatch(ctx, w.folder.ID, mode, reason)
}

// followHints looks where something may have changed.
func (w *Watcher) followHints(ctx context.Context) error {
	for {
		paths, next, changed := w.hints.take(time.Now())
		switch {
		case len(paths) == 0:
			if err := waitForHint(ctx, next, changed); err != nil {
				return err
			}
			continue
		case paths[0] == "":
			w.LookAgain()
			continue
		}
		began := time.Now()
		summary, err := scan.Paths(ctx, w.Store, w.remembered(), paths, w.options())
		if err := w.judge(summary, err); err != nil {
			return err
		}
		if summary.Queued()+summary.Missing > 0 {
			w.Looked(summary)
		}
		if root, _ := w.Root(); root == nil || w.notices.short() && w.watched() {
			w.LookAgain() // from now on it is polled
		}
		// Half of the time, at most.
		if err := sleep(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}

func waitForHint(ctx context.Context, next time.Time, changed <-chan struct{}) error {
	var due <-chan time.Time
	if !next.IsZero() {
		due = time.After(time.Until(next))
		changed = nil // nothing that comes now is due earlier
	}
	select {
	case <-due:
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *Watcher) options() scan.Options {
	return scan.Options{
		Skip:    w.Settings.Skip,
		Settled: func(file scan.File) bool { return w.settling.settled(file, time.Now()) },
		Enter:   w.notices.enter,
	}
}

// remembered is the folder as the last full look left it.
func (w *Watcher) remembered() storage.Folder {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.folder
}

// judge draws the conclusions from a look. A root that is not to be trusted
// is no error: it is looked at again.
func (w *Watcher) judge(summary scan.Summary, err error) error {
	for _, path := range summary.Unsettled {
		w.hints.add(path, time.Now())
	}
	var problem *scan.Problem
	if err != nil && !errors.As(err, &problem) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if problem != nil {
		if w.root != nil || w.mode == "" {
			slog.Warn("left alone", "folder", problem.Folder, "why", problem.Reason)
		}
		w.root = nil
		return nil
	}
	w.root, w.folder.FileSystem = summary.Root, summary.FileSystem
	return nil
}

// report says again and again how the folder is watched, and notices what
// the kernel does not tell of: that the root was unmounted.
func (w *Watcher) report(ctx context.Context) error {
	for {
		if err := sleep(ctx, reportEvery); err != nil {
			return err
		}
		if root, stands := w.Root(); root != nil && (!stands || w.notices.lost()) {
			w.LookAgain()
		}
		w.mu.Lock()
		mode, reason := w.mode, w.reason
		w.mu.Unlock()
		if err := w.Store.ReportWatch(ctx, w.folder.ID, mode, reason); err != nil {
			return err
		}
	}
}

// signOff says that nobody watches any more. If that fails, the silence does.
func (w *Watcher) signOff(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.Store.ReportWatch(ctx, w.folder.ID, "", ""); err != nil {
		slog.Debug("could not sign off", "folder", w.folder.Path, "error", err)
	}
}
