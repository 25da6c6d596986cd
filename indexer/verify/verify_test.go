package verify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"shoebox/search"
	"shoebox/storage"
)

// world is a storage without folders, and a search index over it, in memory.
type world struct {
	Store  // what is not needed here
	photos map[string]storage.Change
	index  map[string]search.Hit
	// behind are photos that the next Finish brings to the index.
	behind   []string
	finished int
	// finish, if set, is called by each Finish before it works.
	finish func()
}

func newWorld(n int) *world {
	w := &world{photos: map[string]storage.Change{}, index: map[string]search.Hit{}}
	for i := range n {
		c := storage.Change{Paths: []string{fmt.Sprintf("/photos/%d.jpg", i)}}
		c.Photo.ID = sha256.Sum256(fmt.Append(nil, i))
		c.Photo.Text = fmt.Sprintf("Photo %d.", i)
		w.photos[c.Photo.ID.String()] = c
		w.index[c.Photo.ID.String()] = search.NewHit(c)
	}
	return w
}

func (w *world) ids() []string { return slices.Sorted(maps.Keys(w.photos)) }

func (w *world) Folders(context.Context) ([]storage.Folder, error) { return nil, nil }

func (w *world) Photos(context.Context) iter.Seq2[storage.Change, error] {
	return func(yield func(storage.Change, error) bool) {
		for _, id := range w.ids() {
			if c, there := w.photos[id]; there && !yield(c, nil) {
				return
			}
		}
	}
}

func (w *world) PhotosByID(_ context.Context, ids []storage.PhotoID) (found []storage.Change, err error) {
	for _, id := range ids {
		if c, there := w.photos[id.String()]; there {
			found = append(found, c)
		}
	}
	return found, nil
}

func (w *world) Restamp(_ context.Context, ids []storage.PhotoID) error {
	for _, id := range ids {
		w.behind = append(w.behind, id.String())
	}
	return nil
}

func (w *world) Usable(context.Context) error { return nil }

func (w *world) Finish(context.Context) error {
	if w.finished++; w.finish != nil {
		w.finish()
	}
	for _, id := range w.behind {
		if c, there := w.photos[id]; there {
			w.index[id] = search.NewHit(c)
		} else {
			delete(w.index, id)
		}
	}
	w.behind = nil
	return nil
}

func (w *world) Documents(_ context.Context, after string, limit int) (hits []search.Hit, err error) {
	for _, id := range slices.Sorted(maps.Keys(w.index)) {
		if id > after && len(hits) < limit {
			hit := w.index[id]
			hit.Photo = id
			hits = append(hits, hit)
		}
	}
	return hits, nil
}

func (w *world) Remove(_ context.Context, photos []string) error {
	for _, id := range photos {
		delete(w.index, id)
	}
	return nil
}

// compare verifies a world and counts the differences by kind.
func compare(t *testing.T, w *world, repair bool) (kinds map[Kind]int, left int) {
	t.Helper()
	kinds = make(map[Kind]int)
	v := Verifier{Store: w, Index: w, Repair: repair, Report: func(d Difference) error {
		kinds[d.Kind]++
		return nil
	}}
	left, err := v.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kinds, left
}

func TestMoreDifferencesThanAreLookedAtTogetherAreAllFoundAndMended(t *testing.T) {
	const photos = 3*atATime + 7
	w := newWorld(photos)
	want := make(map[Kind]int)
	for i, id := range w.ids() {
		switch i % 3 {
		case 0:
			delete(w.index, id)
			want[NotInSearch]++
		case 1:
			hit := w.index[id]
			hit.Caption = "Something else."
			w.index[id] = hit
			want[OtherInSearch]++
		}
	}
	for _, id := range []string{"not hexadecimal", "zz" + w.ids()[0][2:]} {
		w.index[id] = search.Hit{Paths: []string{"/x"}}
		want[OnlyInSearch]++
	}
	differences := want[NotInSearch] + want[OtherInSearch] + want[OnlyInSearch]
	if kinds, left := compare(t, w, false); !maps.Equal(kinds, want) || left != differences {
		t.Errorf("differences %v, %d left; want %v", kinds, left, want)
	}
	if kinds, left := compare(t, w, true); !maps.Equal(kinds, want) || left != 0 {
		t.Errorf("mended %v, %d left; want %v", kinds, left, want)
	}
	if kinds, _ := compare(t, w, false); len(kinds) != 0 {
		t.Errorf("then %v", kinds)
	}
}

func TestWhatChangesMeanwhileIsNoDifference(t *testing.T) {
	w := newWorld(100)
	gone, edited := w.ids()[10], w.ids()[20]
	w.finish = func() {
		if w.finished > 1 {
			w.behind = []string{gone, edited} // the feed brings them
		}
	}
	// Since search caught up for the first time.
	change := w.photos[edited]
	change.Photo.Text = "Edited."
	w.photos[edited] = change
	delete(w.photos, gone)
	if kinds, left := compare(t, w, false); len(kinds) != 0 || left != 0 {
		t.Errorf("differences %v", kinds)
	}
	if w.finished != 2 {
		t.Errorf("search caught up %d times, want once more for what seemed to differ", w.finished)
	}
}

func TestWhatCannotBeMendedIsLeft(t *testing.T) {
	w := newWorld(3)
	hit := w.index[w.ids()[1]]
	hit.Caption = "Something else."
	w.index[w.ids()[1]] = hit
	w.finish = func() { w.behind = nil } // the index takes nothing over
	if kinds, left := compare(t, w, true); kinds[OtherInSearch] != 1 || left != 1 {
		t.Errorf("differences %v, %d left", kinds, left)
	}
}
