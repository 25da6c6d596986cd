package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/storage"
)

// expect compares all that can be found with what a feed says.
func expect(t *testing.T, s Searcher, feed *fakeFeed) {
	t.Helper()
	want := map[string]string{}
	for _, e := range feed.entries {
		if len(e.Paths) > 0 {
			want[e.Photo.ID.String()] = e.Photo.Text + " " + strings.Join(e.Paths, " ")
		}
	}
	result := find(t, s, "-unicorn", len(want)+10)
	got := map[string]string{}
	for _, hit := range result.Hits {
		got[hit.Photo] = hit.Caption + " " + strings.Join(hit.Paths, " ")
	}
	if len(got) != len(want) || result.Total != uint64(len(want)) {
		t.Errorf("%d photos are found (total %d), want %d", len(got), result.Total, len(want))
	}
	for id, text := range want {
		if got[id] != text {
			t.Fatalf("photo %s is found as %q, want %q", id, got[id], text)
		}
	}
	info, err := s.Info(t.Context())
	if err != nil || info.Photos != uint64(len(want)) {
		t.Errorf("Info() = %+v, %v; want %d photos", info, err, len(want))
	}
	if last := feed.entries[len(feed.entries)-1]; info.Cursor != (storage.Cursor{Epoch: feed.epoch, XID: last.changed, Photo: last.Photo.ID}) {
		t.Errorf("the cursor is at %+v, want it at change %d of %s", info.Cursor, last.changed, feed.epoch)
	}
}

// numbered puts photos from to to-1 into a feed.
func numbered(feed *fakeFeed, from, to int) {
	for i := from; i < to; i++ {
		feed.put(photo(fmt.Sprint(i), fmt.Sprintf("A dog with the number %d.", i)), fmt.Sprintf("/photos/%d.jpg", i))
	}
}

func project(t *testing.T, ix *Index, feed Feed) int {
	t.Helper()
	n, err := ix.Project(t.Context(), feed)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestProjectGoesOnWhereItWas(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 2500)
	dir := t.TempDir()
	for _, step := range []struct {
		name    string
		change  func()
		changes int
	}{
		{"from the beginning, in batches", func() {}, 2500},
		{"nothing new", func() {}, 0},
		{"new photos", func() { numbered(feed, 2500, 2510) }, 10},
		{"a changed caption", func() { feed.put(photo("7", "A cat."), "/photos/7.jpg") }, 1},
		{"another path", func() { feed.put(photo("8", "A dog."), "/moved/8.jpg", "/copy/8.jpg") }, 1},
		{"a photo that has left", func() { feed.put(photo("9", "A dog.")) }, 1},
		{"one that leaves before it ever came", func() { feed.put(photo("never", "A dog.")) }, 1},
		{"one that comes back", func() { feed.put(photo("9", "A dog."), "/photos/9.jpg") }, 1},
	} {
		step.change()
		n, err := CatchUp(t.Context(), dir, feed) // opens and closes the index
		if err != nil || n != step.changes {
			t.Fatalf("%s: took over %d changes, %v; want %d", step.name, n, err, step.changes)
		}
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		expect(t, s, feed)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProjectWritesNothingWhenNothingChanged(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 10)
	ix := projected(t, feed)
	files := func() (all []string) {
		_ = filepath.WalkDir(ix.dir, func(path string, entry os.DirEntry, err error) error {
			info, statErr := entry.Info()
			if err = errors.Join(err, statErr); err == nil && !entry.IsDir() {
				all = append(all, fmt.Sprint(path, info.ModTime(), info.Size()))
			}
			return err
		})
		return all
	}
	// Bleve goes on writing for a moment after a batch is safe on disk.
	before := files()
	for settled := false; !settled; {
		time.Sleep(200 * time.Millisecond)
		now := files()
		before, settled = now, slices.Equal(before, now)
	}
	if n := project(t, ix, feed); n != 0 || feed.reads != 2 {
		t.Errorf("took over %d changes in %d reads, want 0 in one read after the first", n, feed.reads)
	}
	if after := files(); !slices.Equal(before, after) {
		t.Errorf("the files changed from %v to %v", before, after)
	}
}

func TestProjectOfAnEmptyDatabaseRemembersIt(t *testing.T) {
	feed := newFakeFeed()
	ix := projected(t, feed)
	info, err := ix.Info(t.Context())
	if err != nil || info != (Info{Cursor: storage.Cursor{Epoch: "first"}}) {
		t.Errorf("Info() = %+v, %v", info, err)
	}
}

func TestARestoredDatabaseIsProjectedAnew(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 1500)
	ix := projected(t, feed)
	restored := slices.Clone(feed.entries[:1200])
	searched := 0
	feed.before = func() error { // the old index answers while the new one is built
		if got := find(t, ix, "dog", 0).Total; got == 1500 {
			searched++
		}
		return nil
	}
	feed.restore("second", restored...)
	if n := project(t, ix, feed); n != 1200 {
		t.Errorf("took over %d changes, want 1200", n)
	}
	if searched < 3 {
		t.Errorf("the old index answered %d times meanwhile, want at least 3", searched)
	}
	expect(t, ix, feed)
	onlyOneGeneration(t, ix.dir)
}

func TestADatabaseRestoredDuringARebuildStartsItAgain(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 1500)
	ix := projected(t, feed)
	again := slices.Clone(feed.entries[:1100])
	reads := 0
	feed.before = func() error {
		if reads++; reads == 2 {
			feed.restore("third", again...)
		}
		return nil
	}
	if n, err := ix.Rebuild(t.Context(), feed); n != 1100 || err != nil {
		t.Errorf("took over %d changes, %v; want 1100", n, err)
	}
	expect(t, ix, feed)
	onlyOneGeneration(t, ix.dir)
}

func TestAFailedRebuildLeavesTheIndexAlone(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 1500)
	ix := projected(t, feed)
	broken, reads := errors.New("connection lost"), 0
	feed.before = func() error {
		if reads++; reads == 2 {
			return broken
		}
		return nil
	}
	if _, err := ix.Rebuild(t.Context(), feed); !errors.Is(err, broken) {
		t.Errorf("Rebuild() = %v, want %v", err, broken)
	}
	expect(t, ix, feed)
	onlyOneGeneration(t, ix.dir)
}

func TestAFailedReadKeepsWhatCameBefore(t *testing.T) {
	feed := newFakeFeed()
	ix := projected(t, feed)
	numbered(feed, 0, 2500)
	broken, reads := errors.New("connection lost"), 0
	feed.before = func() error {
		if reads++; reads == 3 {
			return broken
		}
		return nil
	}
	if n, err := ix.Project(t.Context(), feed); n != 2000 || !errors.Is(err, broken) {
		t.Errorf("Project() = %d, %v; want 2000 and %v", n, err, broken)
	}
	if n := project(t, ix, feed); n != 500 {
		t.Errorf("then it took over %d, want the other 500", n)
	}
	expect(t, ix, feed)
}

func TestProjectStopsWhenItsContextEnds(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 10)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	ix := projected(t, newFakeFeed())
	if n, err := ix.Project(ctx, feed); !errors.Is(err, context.Canceled) {
		t.Errorf("Project() = %d, %v", n, err)
	}
}

// onlyOneGeneration looks for what a build left behind.
func onlyOneGeneration(t *testing.T, dir string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, generationPrefix+"*"))
	if err != nil || len(found) != 1 {
		t.Errorf("generations %v, %v; want one", found, err)
	}
}

func TestCloseEndsAProjectionAndChangesNothing(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 2500)
	dir := t.TempDir()
	ix, err := OpenWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	project(t, ix, feed)
	current, err := currentGeneration(dir)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	reads := 0
	feed.before = func() error {
		if reads++; reads == 2 { // in the middle of building
			go func() { closed <- ix.Close() }()
			<-ix.closing.Done()
		}
		return nil
	}
	if _, err := ix.Rebuild(context.Background(), feed); !errors.Is(err, context.Canceled) {
		t.Errorf("Rebuild() = %v, want that it was ended", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v", err)
	}
	if now, err := currentGeneration(dir); err != nil || now != current {
		t.Errorf("the index is %s (%v), was %s", now, err, current)
	}
	feed.before = nil
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	expect(t, s, feed)
}
