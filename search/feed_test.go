package search

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"shoebox/storage"
)

// fakeFeed is a change feed in memory with the contract of storage's: a photo
// comes once for all its changes, ordered by the last of them.
type fakeFeed struct {
	mu      sync.Mutex
	epoch   string
	changed uint64
	entries []feedEntry // ordered by changed
	latest  map[storage.PhotoID]uint64
	reads   int
	// before is called before each read; its error is the read's.
	before func() error
	// root is the folder by which the photos' files are found; empty: each by
	// its own.
	root string
	// vocabularies are those of the photos' models.
	vocabularies map[string]storage.Vocabulary
}

type feedEntry struct {
	changed uint64
	storage.Change
}

func newFakeFeed() *fakeFeed {
	return &fakeFeed{epoch: "first", latest: map[storage.PhotoID]uint64{}}
}

// put changes a photo; without paths it leaves search.
func (f *fakeFeed) put(p storage.Photo, paths ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, known := f.latest[p.ID]; known {
		i := f.index(at)
		f.entries = slices.Delete(f.entries, i, i+1)
	}
	f.changed++
	f.latest[p.ID] = f.changed
	change := storage.Change{Photo: p, Paths: paths}
	for range paths {
		if f.root != "" {
			change.Roots = append(change.Roots, f.root)
		}
	}
	f.entries = append(f.entries, feedEntry{f.changed, change})
}

// index is where the first entry changed at or after a transaction stands.
func (f *fakeFeed) index(changed uint64) int {
	i, _ := slices.BinarySearchFunc(f.entries, changed, func(e feedEntry, changed uint64) int {
		return cmp.Compare(e.changed, changed)
	})
	return i
}

// after counts the entries that changed after a transaction.
func (f *fakeFeed) after(changed uint64) int { return len(f.entries) - f.index(changed+1) }

// restore makes the feed that of another database.
func (f *fakeFeed) restore(epoch string, entries ...feedEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch, f.entries = epoch, entries
}

func (f *fakeFeed) Changes(ctx context.Context, after storage.Cursor, limit int) (storage.Changes, error) {
	if f.before != nil {
		if err := f.before(); err != nil {
			return storage.Changes{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	result := storage.Changes{Restart: after.Epoch != "" && after.Epoch != f.epoch}
	if after.Epoch != f.epoch {
		after = storage.Cursor{Epoch: f.epoch}
	}
	rest := f.entries[f.index(after.XID+1):]
	result.More = len(rest) > limit
	rest = rest[:min(limit, len(rest))]
	result.Next = after
	for _, e := range rest {
		result.Items = append(result.Items, e.Change)
		result.Next.XID, result.Next.Photo = e.changed, e.Photo.ID
	}
	return result, ctx.Err()
}

func (f *fakeFeed) Vocabulary(_ context.Context, model string) (storage.Vocabulary, error) {
	v, ok := f.vocabularies[model]
	if !ok {
		return v, storage.ErrUnknownModel
	}
	return v, nil
}
