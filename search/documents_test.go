package search

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"shoebox/storage"
)

// everything reads all documents, a few at a time.
func everything(t *testing.T, s Searcher) (all []Hit) {
	t.Helper()
	for after := ""; ; {
		page, err := s.Documents(t.Context(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Photo
	}
}

// serving opens the index in dir, serves it until the test ends, and returns
// it as another process sees it.
func serving(t *testing.T, dir string, feed Feed) (*Index, Searcher) {
	t.Helper()
	ix, err := OpenWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- ix.Serve(ctx, feed) }()
	other, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, isRemote := other.(*remote); !isRemote {
		t.Fatalf("%T asks nobody", other)
	}
	t.Cleanup(func() {
		stop()
		if err := errors.Join(other.Close(), <-served, ix.Close()); err != nil {
			t.Error(err)
		}
	})
	return ix, other
}

func TestDocumentsAreAllThatTheIndexHoldsInOrder(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 100)
	dir := t.TempDir()
	if _, err := CatchUp(t.Context(), dir, feed); err != nil {
		t.Fatal(err)
	}
	feed.put(photo("3", "Changed."), "/moved")
	feed.put(photo("4", "Gone."))
	if _, err := CatchUp(t.Context(), dir, feed); err != nil {
		t.Fatal(err)
	}
	var want []Hit
	for _, e := range feed.entries {
		if len(e.Paths) > 0 {
			want = append(want, NewHit(e.Change))
		}
	}
	slices.SortFunc(want, func(a, b Hit) int {
		if a.Photo < b.Photo {
			return -1
		}
		return 1
	})
	check := func(t *testing.T, s Searcher) {
		if got := everything(t, s); !reflect.DeepEqual(got, want) {
			t.Errorf("%d documents, want %d: %+v", len(got), len(want), got)
		}
	}
	t.Run("read-only", func(t *testing.T) {
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("held, and asked of the holder", func(t *testing.T) {
		ix, other := serving(t, dir, feed)
		check(t, ix)
		check(t, other)
	})
}

func TestADamagedSegmentIsAnErrorAndNotTheEndOfTheProcess(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 1500)
	dir := t.TempDir()
	if _, err := CatchUp(t.Context(), dir, feed); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	segments, err := filepath.Glob(filepath.Join(dir, currentLink, "store/*.zap"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for _, path := range segments {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Documents(t.Context(), "", 1000); !errors.Is(err, ErrDamaged) {
		t.Errorf("Documents() = %v, want ErrDamaged", err)
	}
}

func TestAPhotoThatStorageDoesNotKnowIsRemoved(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 10)
	dir := t.TempDir()
	stranger := photo("of another database", "A stranger.")
	plant := func(ix *Index) {
		changes := storage.Changes{Items: []storage.Change{{Photo: stranger, Paths: []string{"/x"}}}}
		info, err := ix.live.info()
		if err == nil {
			changes.Next = info.Cursor
			err = ix.live.apply(t.Context(), feed, ix.live.language.page(changes), true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("by a process alone", func(t *testing.T) {
		ix, err := OpenWriter(dir)
		if err != nil {
			t.Fatal(err)
		}
		project(t, ix, feed)
		plant(ix)
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		if err := Remove(t.Context(), dir, []string{stranger.ID.String()}); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, s, feed)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("by the holder when asked", func(t *testing.T) {
		ix, other := serving(t, dir, feed)
		plant(ix)
		if n := len(everything(t, other)); n != 11 {
			t.Fatalf("%d documents, want the stranger too", n)
		}
		if err := Remove(t.Context(), dir, []string{stranger.ID.String()}); err != nil {
			t.Fatal(err)
		}
		expect(t, other, feed)
	})
}

func TestAHolderBuildsItsIndexAgainWhenAsked(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 2500)
	dir := t.TempDir()
	ix, other := serving(t, dir, feed)
	project(t, ix, feed)
	before, err := currentGeneration(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Slow enough that progress is told, and searched meanwhile.
	ticks := make(chan struct{})
	feed.before = func() error {
		find(t, other, "dog", 1)
		<-ticks
		return nil
	}
	var told []int64
	var released int64
	n, err := Rebuild(t.Context(), dir, newFakeFeed(), func(built int64) {
		told = append(told, built)
		if given := int64(len(slices.Compact(slices.Clone(told)))); given > released {
			released = given // a page for each new figure
			ticks <- struct{}{}
		}
	})
	if n != 2500 || err != nil {
		t.Fatalf("Rebuild() = %d, %v", n, err)
	}
	if told = slices.Compact(told); !slices.Equal(told, []int64{0, 1000, 2000}) {
		t.Errorf("progress was %d", told)
	}
	after, err := currentGeneration(dir)
	if err != nil || after == before {
		t.Errorf("the index is %s as before, %v", after, err)
	}
	expect(t, other, feed)
	onlyOneGeneration(t, dir)
}
