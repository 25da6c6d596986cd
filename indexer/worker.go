package indexer

import (
	"context"
	"fmt"
	"strings"
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
	// mostItems closes a batch that is mostly copies and failures, which need
	// no captioning: so many times the size of a batch.
	mostItems = 4
	// finishLimit bounds the work on what is in hand after Ctrl-C. What comes
	// on top is the transaction that stores it and giving back the rest. With
	// what the command does afterwards it must end within 10 s.
	finishLimit   = 5 * time.Second
	commitLimit   = 2 * time.Second
	giveBackLimit = 1 * time.Second
)

// Captioner is what the worker needs of captioner.Captioner.
type Captioner interface {
	Describe(pictures [][]byte) ([]captioner.Description, error)
	Size() picture.Size
	Name() string
	Hash() string
	Vocabulary() storage.Vocabulary
}

// Queue is what the worker needs of storage.Store.
type Queue interface {
	Claim(ctx context.Context, owner storage.Owner, folderIDs []int64, n int, ttl time.Duration) ([]storage.Claim, error)
	ExtendLeases(ctx context.Context, owner storage.Owner, ttl time.Duration) error
	Release(ctx context.Context, owner storage.Owner, fileIDs []int64) error
	ReleaseAll(ctx context.Context, owner storage.Owner) error
	Leases(ctx context.Context) ([]storage.Lease, error)
	TakeBack(ctx context.Context, owner storage.Owner) (int, error)
	NextRetry(ctx context.Context, folderIDs []int64) (time.Duration, bool, error)
	Commit(ctx context.Context, owner storage.Owner, results []storage.Result) (int, error)
	ApplyScan(ctx context.Context, folderID int64, changes storage.ScanChanges) error
	CaptionedPhotos(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error)
	CaptionByPixels(ctx context.Context, pixels [32]byte, model string) (storage.Caption, storage.Seen, bool, error)
	CountFiles(ctx context.Context, folderIDs []int64) (storage.Counts, error)
	RecordModel(ctx context.Context, hash, name string, vocabulary storage.Vocabulary) error
}

// Decoder turns the bytes of a file into pixels for the model: picture.Decode.
type Decoder func(data []byte, to picture.Size) (picture.Picture, error)

// Isolation has a child process that calls ServeTrials deal with a file:
// isolate.Process. An *isolate.Fault is the file's.
type Isolation interface {
	Do(ctx context.Context, request []byte) ([]byte, error)
}

// Worker captions the pending files of some folders. Files flow through
// goroutines joined by channels:
//
//	claim -> read (several) -> batch -> caption (several) -> commit
//
// As many threads compute as Threads says, whatever they do: a core that has no
// picture to decode captions, and the other way round. So neither stage has to
// be given a share, and calls of the model run side by side on few threads each,
// because one call on many leaves some of them waiting.
//
// A suspect takes the same way, except that one reader at a time has it decoded
// and captioned in a process of its own.
//
// Each stage closes the channel it sends on when the one before it has
// ended, so that what is in hand is finished when claiming stops.
type Worker struct {
	Queue     Queue
	Captioner Captioner
	Decode    Decoder
	Alone     Isolation
	Self      Identity
	// Roots are the folders to work on, by ID.
	Roots map[int64]Root
	// Refresh, if set, is asked now and then for the folders to work on from
	// now on, and Run goes on until its context ends.
	Refresh func(ctx context.Context) (map[int64]Root, error)
	// Until is when the worker takes nothing new any more; zero: never.
	Until   time.Time
	Readers int // goroutines that read and decode
	// Memory is what reading and decoding may take, perhaps together with others
	// in this process.
	Memory *picture.Budget
	// Threads may compute at once; of these a call of the model takes
	// ModelThreads, or none when it runs on another device.
	Threads, ModelThreads int
	Batch                 int // pictures of a call of the model
	// Progress counts what has been done, Stages where the time went; neither
	// is ever nil.
	Progress *Progress
	Stages   *Stages
	// Keep, if set, is given the small rendition that Decode made of a photo, if
	// it made one.
	Keep func(id storage.PhotoID, small picture.Rendition)
	// Committed is called after each committed batch; never nil.
	Committed func()

	slots       *semaphore.Weighted // files in hand
	threads     *semaphore.Weighted // that may compute
	reading     atomic.Int64        // claimed files that the batcher has yet to hear of
	decodeLimit time.Duration       // tests shorten it
	modelLimit  time.Duration       // and this
	modelHangs  atomic.Bool         // at its last call

	mu          sync.Mutex
	roots       map[int64]Root
	lost        []string                 // roots that went away
	uncommitted map[storage.PhotoID]bool // sent to be captioned, not committed yet
}

// item is a file on its way through the stages: a result in the making.
type item struct {
	result    storage.Result
	pixels    []byte // to be captioned; nil: nothing to caption
	decoded   time.Time
	captioned bool // by the model, in this run
	gone      bool // the file vanished: no result, its row becomes missing
	givenBack bool // its folder went away: no result, it is for later
}

// Run works until nothing of the folders is pending or in another worker's
// hands. When ctx ends it takes nothing new, finishes what is in hand within
// finishLimit and returns ctx's error. Folders that go away are left for later;
// unless Refresh may bring them back, the error names them.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.Queue.RecordModel(ctx, w.Captioner.Hash(), w.Captioner.Name(), w.Captioner.Vocabulary()); err != nil {
		return err
	}
	w.slots = semaphore.NewWeighted(w.inHand())
	w.threads = semaphore.NewWeighted(int64(w.Threads))
	w.uncommitted = make(map[storage.PhotoID]bool)
	w.lost = nil // a Worker may Run again
	w.setRoots(w.Roots)
	if w.decodeLimit == 0 {
		w.decodeLimit = DecodeLimit
	}
	if w.modelLimit == 0 {
		w.modelLimit = modelLimit
	}
	w.modelHangs.Store(false)
	w.Stages.waiting.Store(0) // what a run before this one left behind
	work, stopWork := outlive(ctx, finishLimit)
	defer stopWork()
	take, stopTaking := context.WithCancel(ctx)
	if !w.Until.IsZero() {
		take, stopTaking = context.WithDeadline(ctx, w.Until)
	}
	defer stopTaking()
	err := w.runStages(take, work)
	w.giveBack(work)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && len(w.lost) > 0 && w.Refresh == nil {
		err = fmt.Errorf("%s went away while it was read, an unmounted disk? The same command goes on when it is back",
			strings.Join(w.lost, ", "))
	}
	return err
}

// Calls is how many calls of the model run side by side.
func (w *Worker) Calls() int {
	if w.ModelThreads == 0 {
		return 1
	}
	return w.Threads / w.ModelThreads
}

// inHand is how many files a worker holds leases on: the batches that are
// captioned, the one that is read and the one that is committed.
func (w *Worker) inHand() int64 { return int64((w.Calls() + 2) * w.Batch) }

// compute runs do on n of the threads, when they are free.
func (w *Worker) compute(ctx context.Context, n int, do func() error) error {
	if err := w.threads.Acquire(ctx, int64(n)); err != nil {
		return err
	}
	defer w.threads.Release(int64(n))
	return do()
}

// WithGrace returns a context for what is done after Run, which outlives ctx by
// a few seconds more than Run does. It has to be made before ctx ends.
func WithGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	return outlive(ctx, finishLimit+commitLimit+giveBackLimit+time.Second)
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
	suspects := make(chan storage.Claim, w.inHand())
	items := make(chan item, w.Readers)
	batches := make(chan []item)
	calls := make(chan *call, w.Calls())

	group.Go(func() error {
		defer close(claims)
		defer close(suspects)
		return w.claim(take, claims, suspects)
	})
	var readers sync.WaitGroup
	for range w.Readers {
		readers.Add(1)
		group.Go(func() error {
			defer readers.Done()
			return w.read(work, claims, items)
		})
	}
	readers.Add(1)
	group.Go(func() error {
		defer readers.Done()
		return w.read(work, suspects, items)
	})
	go func() { readers.Wait(); close(items) }()
	group.Go(func() error {
		defer close(batches)
		return w.batch(work, items, batches)
	})
	group.Go(func() error {
		defer close(calls)
		return w.caption(work, batches, calls)
	})
	done := make(chan struct{})
	group.Go(func() error {
		defer close(done)
		return w.commit(work, calls)
	})
	group.Go(func() error { return w.extendLeases(work, done) })
	return group.Wait()
}
