package storagetest

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"shoebox/storage"
)

// Fault is what goes wrong with a call of a Faulty store.
type Fault int

// The faults.
const (
	NoFault    Fault = iota
	Refused          // nothing was done
	LostAnswer       // it was done, and the caller does not hear of it
	Slow             // it takes a few milliseconds longer
)

// Faulty is a Store whose operations fail as those of a database behind a bad
// network do: with storage.ErrUnavailable, before or after they were done. A
// stream breaks at some element instead. Operations that only a person at a
// terminal asks for do not fail.
type Faulty struct {
	storage.Store
	// Next decides about a call: the operation's name and how often it was
	// called before.
	Next func(operation string, before int) Fault

	mu    sync.Mutex
	calls map[string]int
	met   [Slow + 1]int
}

// AtRandom returns a Next by which a part rate of all calls meets a fault. The
// same seed gives the same faults to the same calls.
func AtRandom(seed uint64, rate float64) func(string, int) Fault {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	return func(string, int) Fault {
		mu.Lock()
		defer mu.Unlock()
		if random.Float64() >= rate {
			return NoFault
		}
		return []Fault{Refused, LostAnswer, Slow}[random.IntN(3)]
	}
}

// Calls says how often an operation was called.
func (f *Faulty) Calls(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[operation]
}

// Met says how often a fault came.
func (f *Faulty) Met(fault Fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.met[fault]
}

func (f *Faulty) next(operation string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = make(map[string]int)
	}
	fault := f.Next(operation, f.calls[operation])
	f.calls[operation]++
	f.met[fault]++
	return fault
}

func injected(operation string) error {
	return fmt.Errorf("%s: %w: a fault of the test", operation, storage.ErrUnavailable)
}

// meet lets an operation meet its fault.
func meet[T any](f *Faulty, operation string, do func() (T, error)) (T, error) {
	var none T
	switch f.next(operation) {
	case Refused:
		return none, injected(operation)
	case LostAnswer:
		if _, err := do(); err != nil {
			return none, err
		}
		return none, injected(operation)
	case Slow:
		time.Sleep(3 * time.Millisecond)
	}
	return do()
}

func (f *Faulty) meet(operation string, do func() error) error {
	_, err := meet(f, operation, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// interrupt breaks a stream: refused at its beginning, and otherwise at its
// third element.
func interrupt[T any](f *Faulty, operation string, elements iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		fault, n := f.next(operation), 0
		for element, err := range elements {
			if n++; fault == Refused || fault == LostAnswer && n == 3 {
				var none T
				yield(none, injected(operation))
				return
			}
			if !yield(element, err) {
				return
			}
		}
	}
}

// The operations that fail, in the order of storage.Store.

// AddFolder implements storage.Store.
func (f *Faulty) AddFolder(ctx context.Context, path string) (storage.Folder, error) {
	return meet(f, "AddFolder", func() (storage.Folder, error) { return f.Store.AddFolder(ctx, path) })
}

// Folders implements storage.Store.
func (f *Faulty) Folders(ctx context.Context) ([]storage.Folder, error) {
	return meet(f, "Folders", func() ([]storage.Folder, error) { return f.Store.Folders(ctx) })
}

// KnownFiles implements storage.Store.
func (f *Faulty) KnownFiles(ctx context.Context, folderID int64) iter.Seq2[storage.KnownFile, error] {
	return interrupt(f, "KnownFiles", f.Store.KnownFiles(ctx, folderID))
}

// ApplyScan implements storage.Store.
func (f *Faulty) ApplyScan(ctx context.Context, folderID int64, changes storage.ScanChanges) error {
	return f.meet("ApplyScan", func() error { return f.Store.ApplyScan(ctx, folderID, changes) })
}

// KnownBelow implements storage.Store.
func (f *Faulty) KnownBelow(ctx context.Context, folderID int64, dir string) iter.Seq2[storage.KnownFile, error] {
	return interrupt(f, "KnownBelow", f.Store.KnownBelow(ctx, folderID, dir))
}

// KnownAt implements storage.Store.
func (f *Faulty) KnownAt(ctx context.Context, folderID int64, paths []string) (files []storage.KnownFile, parents []string, err error) {
	err = f.meet("KnownAt", func() (err error) {
		files, parents, err = f.Store.KnownAt(ctx, folderID, paths)
		return err
	})
	return files, parents, err
}

// EndScan implements storage.Store.
func (f *Faulty) EndScan(ctx context.Context, folderID int64, end storage.ScanEnd) error {
	return f.meet("EndScan", func() error { return f.Store.EndScan(ctx, folderID, end) })
}

// ReportWatch implements storage.Store.
func (f *Faulty) ReportWatch(ctx context.Context, folderID int64, mode storage.WatchMode, reason string) error {
	return f.meet("ReportWatch", func() error { return f.Store.ReportWatch(ctx, folderID, mode, reason) })
}

// Paused implements storage.Store.
func (f *Faulty) Paused(ctx context.Context) (time.Time, error) {
	return meet(f, "Paused", func() (time.Time, error) { return f.Store.Paused(ctx) })
}

// Claim implements storage.Store.
func (f *Faulty) Claim(ctx context.Context, owner storage.Owner, folderIDs []int64, n int, ttl time.Duration) ([]storage.Claim, error) {
	return meet(f, "Claim", func() ([]storage.Claim, error) { return f.Store.Claim(ctx, owner, folderIDs, n, ttl) })
}

// ExtendLeases implements storage.Store.
func (f *Faulty) ExtendLeases(ctx context.Context, owner storage.Owner, ttl time.Duration) error {
	return f.meet("ExtendLeases", func() error { return f.Store.ExtendLeases(ctx, owner, ttl) })
}

// Release implements storage.Store.
func (f *Faulty) Release(ctx context.Context, owner storage.Owner, fileIDs []int64) error {
	return f.meet("Release", func() error { return f.Store.Release(ctx, owner, fileIDs) })
}

// ReleaseAll implements storage.Store.
func (f *Faulty) ReleaseAll(ctx context.Context, owner storage.Owner) error {
	return f.meet("ReleaseAll", func() error { return f.Store.ReleaseAll(ctx, owner) })
}

// Leases implements storage.Store.
func (f *Faulty) Leases(ctx context.Context) ([]storage.Lease, error) {
	return meet(f, "Leases", func() ([]storage.Lease, error) { return f.Store.Leases(ctx) })
}

// TakeBack implements storage.Store.
func (f *Faulty) TakeBack(ctx context.Context, owner storage.Owner) (int, error) {
	return meet(f, "TakeBack", func() (int, error) { return f.Store.TakeBack(ctx, owner) })
}

// NextRetry implements storage.Store.
func (f *Faulty) NextRetry(ctx context.Context, folderIDs []int64) (in time.Duration, some bool, err error) {
	err = f.meet("NextRetry", func() (err error) {
		in, some, err = f.Store.NextRetry(ctx, folderIDs)
		return err
	})
	return in, some, err
}

// Commit implements storage.Store.
func (f *Faulty) Commit(ctx context.Context, owner storage.Owner, results []storage.Result) (int, error) {
	return meet(f, "Commit", func() (int, error) { return f.Store.Commit(ctx, owner, results) })
}

// CaptionedPhotos implements storage.Store.
func (f *Faulty) CaptionedPhotos(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error) {
	return meet(f, "CaptionedPhotos", func() (map[storage.PhotoID]bool, error) { return f.Store.CaptionedPhotos(ctx, ids) })
}

// CaptionByPixels implements storage.Store.
func (f *Faulty) CaptionByPixels(ctx context.Context, pixels [32]byte, model string) (c storage.Caption, seen storage.Seen, found bool, err error) {
	err = f.meet("CaptionByPixels", func() (err error) {
		c, seen, found, err = f.Store.CaptionByPixels(ctx, pixels, model)
		return err
	})
	return c, seen, found, err
}

// CountFiles implements storage.Store.
func (f *Faulty) CountFiles(ctx context.Context, folderIDs []int64) (storage.Counts, error) {
	return meet(f, "CountFiles", func() (storage.Counts, error) { return f.Store.CountFiles(ctx, folderIDs) })
}

// RecordModel implements storage.Store.
func (f *Faulty) RecordModel(ctx context.Context, hash, name string, vocabulary storage.Vocabulary) error {
	return f.meet("RecordModel", func() error { return f.Store.RecordModel(ctx, hash, name, vocabulary) })
}

// Vocabulary implements storage.Store.
func (f *Faulty) Vocabulary(ctx context.Context, hash string) (storage.Vocabulary, error) {
	return meet(f, "Vocabulary", func() (storage.Vocabulary, error) { return f.Store.Vocabulary(ctx, hash) })
}

// Changes implements storage.Store.
func (f *Faulty) Changes(ctx context.Context, after storage.Cursor, limit int) (storage.Changes, error) {
	return meet(f, "Changes", func() (storage.Changes, error) { return f.Store.Changes(ctx, after, limit) })
}

// Photos implements storage.Store.
func (f *Faulty) Photos(ctx context.Context) iter.Seq2[storage.Change, error] {
	return interrupt(f, "Photos", f.Store.Photos(ctx))
}

// Edits implements storage.Store.
func (f *Faulty) Edits(ctx context.Context) iter.Seq2[storage.Edit, error] {
	return interrupt(f, "Edits", f.Store.Edits(ctx))
}

// Status implements storage.Store.
func (f *Faulty) Status(ctx context.Context) (storage.Status, error) {
	return meet(f, "Status", func() (storage.Status, error) { return f.Store.Status(ctx) })
}
