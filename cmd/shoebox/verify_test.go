package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoebox/search"
	"shoebox/storage"
)

// falseFeed tells a search index what is not so.
type falseFeed []storage.Change

func (f falseFeed) Changes(_ context.Context, after storage.Cursor, _ int) (storage.Changes, error) {
	next := after
	next.Photo = storage.PhotoID{0: 0xff, 31: 0xff} // behind all photos of that transaction
	if after == next {
		return storage.Changes{Next: next}, nil
	}
	return storage.Changes{Items: f, Next: next}, nil
}

func (f falseFeed) Vocabulary(context.Context, string) (storage.Vocabulary, error) {
	return storage.Vocabulary{}, storage.ErrUnknownModel
}

// mislead makes search wrong in each of the ways it can be: of three photos,
// the first has gone, the second has another caption and the third another
// path; and there is one that nobody knows.
func (l *testLibrary) mislead() {
	l.t.Helper()
	dir := filepath.Join(l.data, "search")
	index, err := search.OpenWriter(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	hits, err := index.Documents(l.t.Context(), "", 3)
	if err != nil || len(hits) != 3 {
		l.t.Fatal(hits, err)
	}
	var lies falseFeed
	for i, hit := range hits {
		id, err := storage.ParsePhotoID(hit.Photo)
		if err != nil {
			l.t.Fatal(err)
		}
		change := storage.Change{Photo: storage.Photo{ID: id, Width: hit.Width, Height: hit.Height}, Paths: hit.Paths}
		change.Photo.Caption = storage.Caption{Text: hit.Caption, Score: hit.Score, Unsure: hit.Unsure}
		switch i {
		case 0:
			change.Paths = nil
		case 1:
			change.Photo.Text = "Something else."
		case 2:
			change.Paths = []string{"/elsewhere.jpg"}
		}
		lies = append(lies, change)
	}
	lies = append(lies, storage.Change{Photo: storage.Photo{ID: storage.PhotoID{1}}, Paths: []string{"/nobody's.jpg"}})
	if _, err := index.Project(l.t.Context(), lies); err != nil {
		l.t.Fatal(err)
	}
	if err := index.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// verify runs `verify --json` and counts the differences by kind.
func (l *testLibrary) verify(code int, flags ...string) map[string]int {
	l.t.Helper()
	kinds := make(map[string]int)
	for _, d := range lines[differenceLine](l.t, l.must(code, append([]string{"verify", "--json"}, flags...)...).stdout) {
		kinds[string(d.Kind)]++
		if repaired := len(flags) > 0; (d.Mended != "") != repaired {
			l.t.Errorf("with %q: %+v", flags, d)
		}
		if d.Path == "" && d.Photo == "" && d.Kind != "search_unusable" {
			l.t.Errorf("about nothing: %+v", d)
		}
	}
	return kinds
}

func TestVerifySaysEveryDifferenceAndRepairMendsThem(t *testing.T) {
	t.Parallel()
	const photos = 12
	inSearch := map[string]int{"not_in_search": 1, "other_in_search": 2, "only_in_search": 1}
	for name, test := range map[string]struct {
		differ func(l *testLibrary, root string)
		want   map[string]int
		photos int // in the end
	}{
		"nothing": {func(*testLibrary, string) {}, map[string]int{}, photos},
		"the disk": {func(l *testLibrary, root string) {
			file := func(name string) string { return filepath.Join(root, name) }
			writeFile(l.t, file("new.jpg"), readSample(l.t, "grace_hopper.jpg"))
			data, err := os.ReadFile(file("sub0/0000.jpg"))
			if err == nil {
				err = errors.Join(os.WriteFile(file("sub0/0000.jpg"), append(data, 0), 0o644),
					os.Remove(file("sub1/0001.jpg")),
					os.Rename(file("sub2/0002.jpg"), file("sub2/moved.jpg")))
			}
			if err != nil {
				l.t.Fatal(err)
			}
		}, map[string]int{"only_on_disk": 2, "changed_on_disk": 1, "not_on_disk": 2}, photos},
		"search": {func(l *testLibrary, _ string) { l.mislead() }, inSearch, photos},
		"a damaged index": {func(l *testLibrary, _ string) {
			root, err := filepath.EvalSymlinks(filepath.Join(l.data, "search", "current"))
			if err == nil {
				err = os.Truncate(filepath.Join(root, "store", "root.bolt"), 100)
			}
			if err != nil {
				l.t.Fatal(err)
			}
		}, map[string]int{"search_unusable": 1}, photos},
		"no index": {func(l *testLibrary, _ string) {
			if err := os.RemoveAll(filepath.Join(l.data, "search")); err != nil {
				l.t.Fatal(err)
			}
		}, map[string]int{"search_unusable": 1}, photos},
		"search, which another process holds": {func(l *testLibrary, root string) {
			l.mislead()
			watch := l.begin(l.command(l.t.Context(), "watch", root))
			l.t.Cleanup(func() { watch.cmd.Process.Kill(); <-watch.ended })
			watch.await("it to hold the index", func() bool {
				index, err := search.OpenWriter(filepath.Join(l.data, "search"))
				if err == nil {
					err = index.Close()
				}
				return errors.Is(err, search.ErrLocked)
			})
		}, inSearch, photos},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTestLibrary(t)
			root := t.TempDir()
			writeLibrary(t, root, photos)
			l.must(exitDone, "index", root)
			test.differ(l, root)
			code := exitDone
			if len(test.want) > 0 {
				code = exitSomeFailed
			}
			for range 2 { // it changes nothing
				if got := l.verify(code); !maps.Equal(got, test.want) {
					t.Errorf("differences are %v, want %v", got, test.want)
				}
			}
			if got := l.verify(exitDone, "--repair"); !maps.Equal(got, test.want) {
				t.Errorf("repaired %v, want %v", got, test.want)
			}
			if got := l.verify(exitDone); len(got) != 0 {
				t.Errorf("after the repair: %v", got)
			}
			l.must(exitDone, "index", root)
			if got := l.verify(exitDone); len(got) != 0 {
				t.Errorf("in the end: %v", got)
			}
			if s := l.status(); s.Index.Photos != test.photos {
				t.Errorf("search knows %d photos, want %d", s.Index.Photos, test.photos)
			}
		})
	}
}

func TestVerifyTakesAnUnmountedDiskForNothingElse(t *testing.T) {
	l := newTestLibrary(t)
	root := filepath.Join(t.TempDir(), "disk")
	writeLibrary(t, root, 3)
	l.must(exitDone, "index", root)
	if err := os.Rename(root, root+".away"); err != nil {
		t.Fatal(err)
	}
	out := l.must(exitSomeFailed, "verify", "--repair")
	if !strings.Contains(out.stdout, "unmounted disk?") || strings.Count(out.stdout, "\n") != 1 {
		t.Errorf("it says %s", out.stdout)
	}
	if err := os.Rename(root+".away", root); err != nil {
		t.Fatal(err)
	}
	if got := l.verify(exitDone); len(got) != 0 {
		t.Errorf("when it is back: %v", got)
	}
	l.checkWhole(3)
}

func TestReindexBuildsTheIndexAgainWhoeverHoldsIt(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	const photos = 6
	writeLibrary(t, root, photos)
	l.must(exitDone, "index", root)
	generation := func() string {
		t.Helper()
		name, err := os.Readlink(filepath.Join(l.data, "search", "current"))
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	again := func() {
		t.Helper()
		before := generation()
		out := l.must(exitDone, "reindex")
		if !strings.Contains(out.stdout, "built again from 6 photos") || generation() == before {
			t.Errorf("it says %q, and the index is %s as before", out.stdout, before)
		}
		l.checkWhole(photos)
	}
	again()
	watch := l.begin(l.command(t.Context(), "watch", root))
	watch.await("it to hold the index", func() bool {
		index, err := search.OpenWriter(filepath.Join(l.data, "search"))
		if err == nil {
			err = index.Close()
		}
		return errors.Is(err, search.ErrLocked)
	})
	again()
	watch.cmd.Process.Kill()
	<-watch.ended
	l.mislead()
	again()
	if got := l.verify(exitDone); len(got) != 0 {
		t.Errorf("after all: %v", got)
	}
}
