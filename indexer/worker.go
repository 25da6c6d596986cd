package indexer

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/storage"
)

const (
	// leaseTTL is how long a claim lasts without being extended. A worker
	// that died on this machine is noticed at once by its process ID; the
	// TTL matters for other machines. A guess: long enough for a laptop's
	// hiccup, short enough for a person who waits.
	leaseTTL    = 2 * time.Minute
	extendEvery = leaseTTL / 4
	// inHand is how many files a worker holds leases on: the batch that is
	// read, the one that is captioned, one waiting and one being committed.
	inHand = 4 * captioner.BatchSize
	// maxBatchItems closes a batch that is mostly copies and failures,
	// which need no captioning.
	maxBatchItems = 4 * captioner.BatchSize
	// pollOthers is how often a worker with nothing to claim looks whether
	// other workers have finished or given something back.
	pollOthers = 500 * time.Millisecond
	// finishLimit bounds the work on what is in hand after Ctrl-C, and
	// commitLimit the transaction that stores it, which comes on top.
	finishLimit = 6 * time.Second
	commitLimit = 3 * time.Second
)

// Captioner is what the worker needs of captioner.Captioner.
type Captioner interface {
	Caption(pictures [][]byte) ([]storage.Caption, error)
	Size() picture.Size
	Name() string
	Hash() string
}

// Queue is what the worker needs of storage.Store.
type Queue interface {
	Claim(ctx context.Context, owner storage.Owner, folderIDs []int64, n int, ttl time.Duration) ([]storage.Claim, error)
	ExtendLeases(ctx context.Context, owner storage.Owner, ttl time.Duration) error
	LeaseOwners(ctx context.Context, machine string) ([]storage.Owner, error)
	ReleaseAll(ctx context.Context, owner storage.Owner) (int, error)
	Commit(ctx context.Context, owner storage.Owner, results []storage.Result) (int, error)
	ApplyScan(ctx context.Context, folderID int64, changes storage.ScanChanges) error
	CaptionedPhotos(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error)
	CaptionByPixels(ctx context.Context, pixels [32]byte, model string) (storage.Caption, bool, error)
	CountFiles(ctx context.Context, folderIDs []int64) (storage.Counts, error)
	RecordModel(ctx context.Context, hash, name string) error
}

// Worker captions the pending files of some folders. Files flow through
// goroutines joined by channels:
//
//	claim -> read (several) -> batch -> caption -> commit
//
// Each stage closes the channel it sends on when the one before it has
// ended, so that what is in hand is finished when claiming stops.
type Worker struct {
	Queue     Queue
	Captioner Captioner
	Owner     storage.Owner
	// Roots are the folders to work on, by ID, as they were when they were
	// scanned: what vanishes with its root was not deleted.
	Roots   map[int64]fs.FileInfo
	Readers int   // goroutines that read and decode
	Memory  int64 // bytes that reading and decoding may take together
	// Progress counts what has been done; never nil.
	Progress *Progress
	// Committed is called after each committed batch; never nil.
	Committed func()

	slots       *semaphore.Weighted // files in hand
	fileBytes   *semaphore.Weighted // bytes of files being read
	decodeBytes *semaphore.Weighted // bytes that decoders take
	reading     atomic.Int64        // claimed files that the batcher has yet to hear of
	folders     []int64

	mu          sync.Mutex
	uncommitted map[storage.PhotoID]bool // sent to be captioned, not committed yet
}

// item is a file on its way through the stages: a result in the making.
type item struct {
	result    storage.Result
	pixels    []byte // to be captioned; nil: nothing to caption
	captioned bool   // by the model, in this run
	gone      bool   // the file vanished: no result, its row becomes missing
}

// Run works until nothing of the folders is pending or in another worker's
// hands. When ctx ends it takes nothing new, finishes what is in hand within
// finishLimit and returns ctx's error.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.Queue.RecordModel(ctx, w.Captioner.Hash(), w.Captioner.Name()); err != nil {
		return err
	}
	w.slots = semaphore.NewWeighted(inHand)
	w.fileBytes = semaphore.NewWeighted(w.Memory / 4)
	w.decodeBytes = semaphore.NewWeighted(w.Memory - w.Memory/4)
	w.uncommitted = make(map[storage.PhotoID]bool)
	w.folders = slices.Sorted(maps.Keys(w.Roots))

	work, stopWork := WithGrace(ctx)
	defer stopWork()
	err := w.runStages(ctx, work)
	w.giveBack(work)
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// WithGrace returns a context that outlives ctx by a few seconds: taking new
// work ends with ctx, finishing what is in hand may go on for a while.
func WithGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	return outlive(ctx, finishLimit)
}

func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return longer, func() { stop(); cancel() }
}

func (w *Worker) runStages(take, work context.Context) error {
	group, work := errgroup.WithContext(work)
	take, stopTaking := context.WithCancel(take)
	defer stopTaking()
	context.AfterFunc(work, stopTaking) // a failed stage stops the claiming

	claims := make(chan storage.Claim)
	items := make(chan item, w.Readers)
	batches := make(chan []item)
	captioned := make(chan []item, 1)

	group.Go(func() error {
		defer close(claims)
		return w.claim(take, claims)
	})
	var readers sync.WaitGroup
	for range w.Readers {
		readers.Add(1)
		group.Go(func() error {
			defer readers.Done()
			return w.read(work, claims, items)
		})
	}
	go func() { readers.Wait(); close(items) }()
	group.Go(func() error {
		defer close(batches)
		return w.batch(work, items, batches)
	})
	group.Go(func() error {
		defer close(captioned)
		return w.caption(work, batches, captioned)
	})
	done := make(chan struct{})
	group.Go(func() error {
		defer close(done)
		return w.commit(work, captioned)
	})
	group.Go(func() error { return w.extendLeases(work, done) })
	return group.Wait()
}

// claim leases files as slots become free, until there is nothing left.
func (w *Worker) claim(ctx context.Context, claims chan<- storage.Claim) error {
	for ctx.Err() == nil {
		n, err := w.freeSlots(ctx)
		if err != nil {
			return nil // ctx ended
		}
		claimed, err := w.Queue.Claim(ctx, w.Owner, w.folders, n, leaseTTL)
		w.slots.Release(int64(n - len(claimed)))
		if ctx.Err() != nil {
			return nil // giveBack returns whatever the server had leased
		}
		if err != nil {
			return fmt.Errorf("claim files: %w", err)
		}
		w.reading.Add(int64(len(claimed)))
		for _, c := range claimed {
			select {
			case claims <- c:
			case <-ctx.Done():
				return nil
			}
		}
		if len(claimed) == 0 {
			if done, err := w.waitForOthers(ctx); done || err != nil {
				return err
			}
		}
	}
	return nil
}

// freeSlots waits for a slot and takes as many as are free, up to a batch.
func (w *Worker) freeSlots(ctx context.Context) (int, error) {
	if err := w.slots.Acquire(ctx, 1); err != nil {
		return 0, err
	}
	n := 1
	for n < captioner.BatchSize && w.slots.TryAcquire(1) {
		n++
	}
	return n, nil
}

// waitForOthers is called when nothing can be claimed. It reports done when
// nothing is pending or leased any more, by this worker or another.
func (w *Worker) waitForOthers(ctx context.Context) (done bool, err error) {
	err = ReleaseDead(ctx, w.Queue, w.Owner)
	if ctx.Err() != nil {
		return true, nil // what is in hand is finished all the same
	}
	if err != nil {
		return false, err
	}
	counts, err := w.Queue.CountFiles(ctx, w.folders)
	if ctx.Err() != nil {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("count files: %w", err)
	}
	if counts.Pending == 0 && counts.Leased == 0 {
		return true, nil
	}
	select {
	case <-time.After(pollOthers):
	case <-ctx.Done():
	}
	return false, nil
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
			if err := w.Queue.ExtendLeases(ctx, w.Owner, leaseTTL); err != nil {
				return fmt.Errorf("extend leases: %w", err)
			}
		}
	}
}

// giveBack returns leases on files that were claimed but not finished.
func (w *Worker) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	if _, err := w.Queue.ReleaseAll(ctx, w.Owner); err != nil {
		slog.Warn("leases could not be given back, they end by themselves", "after", leaseTTL, "error", err)
	}
}
