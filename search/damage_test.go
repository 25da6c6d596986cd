package search

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoebox/search/query"
)

// indexFiles are the files of an index that match a pattern.
func indexFiles(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, currentLink, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s in the index: %v", pattern, err)
	}
	return found
}

// indexFile is the largest of them.
func indexFile(t *testing.T, dir, pattern string) string {
	t.Helper()
	largest, size := "", int64(-1)
	for _, path := range indexFiles(t, dir, pattern) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > size {
			largest, size = path, info.Size()
		}
	}
	return largest
}

func TestADamagedIndexIsNoticedAndBuiltAgain(t *testing.T) {
	// Of segments all are harmed: the largest may be one that was merged away.
	each := func(pattern string, harm func(path string, size int64) error) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, path := range indexFiles(t, dir, pattern) {
				info, err := os.Stat(path)
				if err == nil {
					err = harm(path, info.Size())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	cut := func(pattern string, part float64) func(*testing.T, string) {
		return each(pattern, func(path string, size int64) error { return os.Truncate(path, int64(float64(size)*part)) })
	}
	overwrite := func(pattern string) func(*testing.T, string) {
		return each(pattern, func(path string, size int64) error {
			return os.WriteFile(path, []byte(strings.Repeat("junk", int(size/4))), 0o600)
		})
	}
	remove := func(pattern string) func(*testing.T, string) {
		return each(pattern, func(path string, _ int64) error { return os.RemoveAll(path) })
	}
	tests := map[string]func(t *testing.T, dir string){
		"a segment cut in half":           cut("store/*.zap", 0.5),
		"a segment cut to nothing":        cut("store/*.zap", 0),
		"a segment without its last part": cut("store/*.zap", 0.99),
		"a segment full of junk":          overwrite("store/*.zap"),
		"no segment":                      remove("store/*.zap"),
		"the root cut to its first page":  cut("store/root.bolt", 0.1),
		"the root cut to nothing":         cut("store/root.bolt", 0),
		"the root full of junk":           overwrite("store/root.bolt"),
		"no root":                         remove("store/root.bolt"),
		"no store":                        remove("store"),
		"Bleve's description cut":         cut("index_meta.json", 0.5),
		"no description":                  remove("index_meta.json"),
		"no generation": func(t *testing.T, dir string) {
			path, err := filepath.EvalSymlinks(filepath.Join(dir, currentLink))
			if err == nil {
				err = os.RemoveAll(path)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"a link that is a file": func(t *testing.T, dir string) {
			link := filepath.Join(dir, currentLink)
			if err := errors.Join(os.Remove(link), os.WriteFile(link, []byte("gen-1"), 0o600)); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			feed := newFakeFeed()
			numbered(feed, 0, 1500)
			dir := t.TempDir()
			if _, err := CatchUp(t.Context(), dir, feed); err != nil {
				t.Fatal(err)
			}
			damage(t, dir)
			if err := searchAll(t, dir); !errors.Is(err, ErrDamaged) {
				t.Errorf("searching it: %v, want ErrDamaged", err)
			}
			if _, err := CatchUp(t.Context(), dir, feed); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			expect(t, s, feed)
			onlyOneGeneration(t, dir)
		})
	}
}

// searchAll opens an index and reads all of it.
func searchAll(t *testing.T, dir string) error {
	s, err := Open(t.Context(), dir)
	if err != nil {
		return err
	}
	_, err = s.Search(t.Context(), Request{Query: query.Query{Root: query.Word{Text: "dog"}}, Limit: 10_000})
	return errors.Join(err, s.Close())
}

func TestJunkBesideTheIndexIsLeftAlone(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 10)
	dir := t.TempDir()
	junk := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(junk, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := CatchUp(t.Context(), dir, feed); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(junk); string(data) != "mine" {
		t.Errorf("the file of somebody else holds %q, %v", data, err)
	}
	if err := searchAll(t, dir); err != nil {
		t.Error(err)
	}
}

func TestWhileAnIndexIsBuiltAgainSearchesAnswerFromWhatIsThere(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"a damaged one": func(dir string) error { return os.Truncate(indexFile(t, dir, "store/root.bolt"), 100) },
		"a missing one": os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			feed := newFakeFeed()
			numbered(feed, 0, 2500)
			dir := t.TempDir()
			if _, err := CatchUp(t.Context(), dir, feed); err != nil {
				t.Fatal(err)
			}
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			ix, err := OpenWriter(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ix.Close() }()
			if _, err := ix.Search(t.Context(), Request{Query: query.Query{Root: query.Word{Text: "dog"}}, Limit: 1}); !errors.Is(err, ErrBuilding) {
				t.Errorf("before it is begun: %v, want ErrBuilding", err)
			}
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan error)
			go func() { served <- ix.Serve(ctx, feed) }()
			var found []uint64
			feed.before = func() error {
				other, err := Open(t.Context(), dir) // as another process does
				if err != nil {
					return err
				}
				defer func() { _ = other.Close() }()
				result, err := other.Search(t.Context(), Request{Query: query.Query{Root: query.Word{Text: "dog"}}, Limit: 1})
				if err != nil {
					return err
				}
				if result.Building == nil {
					t.Errorf("found %d, and nothing is said of building", result.Total)
				}
				found = append(found, result.Total)
				return nil
			}
			project(t, ix, feed)
			// The third page is read once the first has been taken over.
			if len(found) != 3 || found[0] != 0 || !slices.IsSorted(found) || found[2] < 1000 || found[2] > 2000 {
				t.Errorf("meanwhile %d were found", found)
			}
			expect(t, ix, feed)
			if result, err := ix.Search(t.Context(), Request{Query: query.Query{Root: query.Word{Text: "dog"}}, Limit: 1}); err != nil || result.Building != nil {
				t.Errorf("at the end %+v, %v", result.Building, err)
			}
			stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestABuildingThatFailsLeavesNothingBehind(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 1500)
	dir := t.TempDir()
	ix, err := OpenWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	broken := errors.New("the database has gone")
	feed.before = func() error {
		if feed.reads > 0 {
			return broken
		}
		return nil
	}
	if _, err := ix.Project(t.Context(), feed); !errors.Is(err, broken) {
		t.Fatalf("Project() = %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "gen-*")); len(left) != 0 || err != nil {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if _, err := ix.Search(t.Context(), Request{Query: query.Query{Root: query.Word{Text: "dog"}}, Limit: 1}); !errors.Is(err, ErrBuilding) {
		t.Errorf("then a search says %v", err)
	}
	feed.before = nil
	project(t, ix, feed)
	expect(t, ix, feed)
}

func TestAnIndexOfAnotherVersionIsBuiltAgain(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 10)
	dir := t.TempDir()
	ix, err := OpenWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	project(t, ix, feed)
	batch := ix.live.index.NewBatch()
	batch.SetInternal(keyFingerprint, []byte("0-of another version"))
	if err := errors.Join(ix.live.write(batch), ix.Close()); err != nil {
		t.Fatal(err)
	}
	if err := searchAll(t, dir); !errors.Is(err, ErrOutdated) {
		t.Errorf("searching it: %v, want ErrOutdated", err)
	}
	if n, err := CatchUp(t.Context(), dir, feed); n != 10 || err != nil {
		t.Errorf("CatchUp() = %d, %v; want all 10 again", n, err)
	}
	if err := searchAll(t, dir); err != nil {
		t.Error(err)
	}
	onlyOneGeneration(t, dir)
}

func TestWithoutAnIndexTheErrorSaysWhatToDo(t *testing.T) {
	for name, dir := range map[string]string{
		"no folder":       filepath.Join(t.TempDir(), "none"),
		"an empty folder": t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), dir)
			if !errors.Is(err, ErrNoIndex) || !strings.Contains(err.Error(), "shoebox index DIR") {
				t.Errorf("Open() = %v", err)
			}
		})
	}
}

func TestDamageThatASearchMeetsHasTheIndexBuiltAgain(t *testing.T) {
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
	// Cut off while it is mapped into memory: reading it is a fault.
	segments, err := filepath.Glob(filepath.Join(dir, currentLink, "store/*.zap"))
	if err != nil {
		t.Fatal(err)
	}
	whole := make(map[string][]byte)
	for _, path := range segments {
		if whole[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Search(t.Context(), Request{Query: query.Query{Root: query.Word{Text: "dog"}}, Limit: 10_000}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("Search() = %v, want ErrDamaged", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Even if it can be opened again, as after a disk's passing fault.
	for path, data := range whole {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := CatchUp(t.Context(), dir, feed); n != 1500 || err != nil {
		t.Fatalf("CatchUp() = %d, %v; want all 1500 again", n, err)
	}
	if s, err = Open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	expect(t, s, feed)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := CatchUp(t.Context(), dir, feed); n != 0 || err != nil {
		t.Errorf("then CatchUp() = %d, %v; want nothing to do", n, err)
	}
}

func TestASegmentThatCannotEvenBeOpenedIsBuiltAgain(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 50)
	for back := 40; back < 700; back += 60 {
		dir := t.TempDir()
		if _, err := CatchUp(t.Context(), dir, feed); err != nil {
			t.Fatal(err)
		}
		path := indexFile(t, dir, "store/*.zap")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-back] ^= 0xff
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		ix, err := OpenWriter(dir)
		if err != nil {
			t.Fatalf("%d bytes before the end: %v", back, err)
		}
		// Damage that shows at once is mended; the other is met by a search.
		_, _ = ix.Info(t.Context())
		if _, err := ix.Project(t.Context(), feed); err != nil {
			t.Errorf("%d bytes before the end: %v", back, err)
		}
		if err := ix.Close(); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes before the end: %v", back, err)
		}
	}
}
