package indexer

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"shoebox/storage"
)

const (
	// pollOthers is how often a worker with nothing to claim looks whether
	// other workers have finished or given something back.
	pollOthers = 500 * time.Millisecond
	// refreshEvery is how often a worker that goes on looks which folders
	// there are. A disk that is plugged in is taken up after that long.
	refreshEvery = 10 * time.Second
	// worthWaiting is how long a run waits at its end for a failure that is
	// tried again by itself.
	worthWaiting = 7 * time.Second
)

// Root is a folder to work on.
type Root struct {
	Path string // where it is on this machine, which may not be where storage has it
	// Info is what the root was when it was looked at: what vanishes together
	// with it was not deleted.
	Info fs.FileInfo
	// Scanned says that this process looks through the folder itself, so that
	// a file that is not there was deleted. Elsewhere it may only be hidden
	// from this machine.
	Scanned bool
}

// claim leases files as slots become free, until there is nothing left.
func (w *Worker) claim(ctx context.Context, claims chan<- storage.Claim, suspects chan storage.Claim) error {
	defer forget(suspects)
	var refreshed time.Time
	// By the clock on the wall, too: timers stand still while a laptop sleeps.
	for ctx.Err() == nil && (w.Until.IsZero() || time.Now().Before(w.Until)) {
		if w.Refresh != nil && time.Since(refreshed) > refreshEvery {
			roots, err := w.Refresh(ctx)
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("look which folders there are: %w", err)
			}
			w.setRoots(roots)
			refreshed = time.Now()
		}
		n, err := w.freeSlots(ctx)
		if err != nil {
			return nil // ctx ended
		}
		claimed, err := w.Queue.Claim(ctx, w.Self.Owner, w.folders(), n, leaseTTL)
		w.slots.Release(int64(n - len(claimed)))
		if ctx.Err() != nil {
			return nil // giveBack returns whatever the server had leased
		}
		if err != nil {
			return fmt.Errorf("claim files: %w", err)
		}
		if !w.handOut(ctx, claimed, claims, suspects) {
			return nil
		}
		if len(claimed) == 0 {
			if done, err := w.waitForOthers(ctx); done || err != nil {
				return err
			}
		}
	}
	return nil
}

// forget takes back suspects that nobody has begun with, which giveBack returns.
// There are none unless the claiming was stopped.
func forget(suspects <-chan storage.Claim) {
	for {
		select {
		case <-suspects:
		default:
			return
		}
	}
}

// handOut passes claims on to the readers. It reports whether ctx goes on.
func (w *Worker) handOut(ctx context.Context, claimed []storage.Claim, claims, suspects chan<- storage.Claim) bool {
	for _, c := range claimed {
		if c.Suspect {
			suspects <- c // which has room for as many as there are slots
		}
	}
	claimed = slices.DeleteFunc(claimed, func(c storage.Claim) bool { return c.Suspect })
	w.reading.Add(int64(len(claimed)))
	for _, c := range claimed {
		select {
		case claims <- c:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// freeSlots waits for a slot and takes as many as are free, up to a batch.
func (w *Worker) freeSlots(ctx context.Context) (int, error) {
	if err := w.slots.Acquire(ctx, 1); err != nil {
		return 0, err
	}
	n := 1
	for n < w.Batch && w.slots.TryAcquire(1) {
		n++
	}
	return n, nil
}

// waitForOthers is called when nothing can be claimed. It reports done when
// nothing is pending or leased any more, by this worker or another, nor about
// to be tried again, unless the worker is one that goes on.
func (w *Worker) waitForOthers(ctx context.Context) (done bool, err error) {
	err = takeBackFromDead(ctx, w.Queue, w.Self)
	if err == nil {
		err = w.takeBackUnknown(ctx)
	}
	if err == nil && w.Refresh == nil {
		done, err = w.nothingLeft(ctx)
	}
	if ctx.Err() != nil {
		return true, nil // what is in hand is finished all the same
	}
	if done || err != nil {
		return done, err
	}
	select {
	case <-time.After(pollOthers):
	case <-ctx.Done():
	}
	return false, nil
}

// takeBackUnknown gives back files that storage has leased to this worker
// without its knowing, because the answer was lost.
func (w *Worker) takeBackUnknown(ctx context.Context) error {
	if !w.slots.TryAcquire(w.inHand()) {
		return nil // something is in hand, look again later
	}
	defer w.slots.Release(w.inHand())
	if err := w.Queue.ReleaseAll(ctx, w.Self.Owner); err != nil {
		return fmt.Errorf("give files back: %w", err)
	}
	return nil
}

func (w *Worker) nothingLeft(ctx context.Context) (bool, error) {
	folders := w.folders()
	counts, err := w.Queue.CountFiles(ctx, folders)
	if err != nil {
		return false, fmt.Errorf("count files: %w", err)
	}
	if counts.Pending > 0 || counts.Leased > 0 || counts.Retrying == 0 {
		return counts.Pending == 0 && counts.Leased == 0, nil
	}
	in, some, err := w.Queue.NextRetry(ctx, folders)
	if err != nil {
		return false, fmt.Errorf("look for files to try again: %w", err)
	}
	return !some || in > worthWaiting, nil
}

// extendLeases keeps the leases alive until the last stage is done.
func (w *Worker) extendLeases(ctx context.Context, done <-chan struct{}) error {
	ticker := time.NewTicker(extendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := w.Queue.ExtendLeases(ctx, w.Self.Owner, leaseTTL); err != nil {
				return fmt.Errorf("extend leases: %w", err)
			}
		}
	}
}

// giveBack returns leases on files that were claimed but not finished.
func (w *Worker) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackLimit)
	defer cancel()
	if err := w.Queue.ReleaseAll(ctx, w.Self.Owner); err != nil {
		slog.Warn("leases could not be given back, they end by themselves", "after", leaseTTL, "error", err)
	}
}

// folders are the roots that can be worked on now; never nil, which would
// mean all.
func (w *Worker) folders() []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.AppendSeq(make([]int64, 0, len(w.roots)), maps.Keys(w.roots))
}

func (w *Worker) root(folderID int64) (Root, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	root, ok := w.roots[folderID]
	return root, ok
}

func (w *Worker) setRoots(roots map[int64]Root) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roots = maps.Clone(roots)
}

// dropRoot stops the work on a folder that went away.
func (w *Worker) dropRoot(folderID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	root, ok := w.roots[folderID]
	if !ok {
		return // another file noticed first
	}
	delete(w.roots, folderID)
	w.lost = append(w.lost, root.Path)
	slog.Warn("a folder went away while it was read, an unmounted disk? Its files wait until it is back", "folder", root.Path)
}
