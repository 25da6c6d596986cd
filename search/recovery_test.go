package search

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/search/columns"
	"shoebox/storage"
)

// changingFeed is a feed whose photos are seen by two models and by none, that
// change, go over to the other model, leave and come back.
func changingFeed(photos int) *fakeFeed { return changingFeedAt(photos, false) }

// changingFeedAt is changingFeed, or what it was before the photos changed.
func changingFeedAt(photos int, first bool) *fakeFeed {
	feed := newWordsFeed()
	feed.root = "/photos"
	random := rand.New(rand.NewPCG(5, 6))
	put := func(i int, model string) {
		p := photo(fmt.Sprint(i), fmt.Sprintf("A dog with the number %d.", i))
		p.Camera = fmt.Sprintf("Camera %d", i%7)
		p.Taken = day(i % 28)
		if model != "" {
			p = seenBy(model, p, sees{"snow": random.Float64(), "tree": random.Float64(), "beach": random.Float64() / 10})
		}
		feed.put(p, fmt.Sprintf("/photos/folder %d/%d.jpg", random.IntN(50), i))
	}
	models := []string{"first", "second", ""}
	for i := range photos {
		put(i, models[i%3])
	}
	if first {
		return feed
	}
	for i := 0; i < photos; i += 2 {
		put(i, models[random.IntN(3)])
	}
	for i := 0; i < photos; i += 5 {
		feed.put(photo(fmt.Sprint(i), "Gone."))
	}
	for i := 0; i < photos; i += 10 {
		put(i, models[random.IntN(3)])
	}
	return feed
}

// sameAsFresh fails unless an index holds what a feed says and finds by words,
// pictures and facts just what fresh finds, which was built in one go.
func sameAsFresh(t *testing.T, s, fresh Searcher, feed *fakeFeed) {
	t.Helper()
	sameDocuments(t, s, feed)
	expect(t, s, feed)
	for _, text := range []string{
		"snow", "tree", "beach", "snow tree -beach", "dog snow", "camera:3 snow sort:name", "folder:7", "taken:2020-01-05..2020-01-09 sort:date", `"number 4"`,
	} {
		got, want := find(t, s, text, 5000), find(t, fresh, text, 5000)
		if got.Total != want.Total || got.Possible != want.Possible || !slices.Equal(names(got), names(want)) {
			t.Errorf("%s finds %d and possibly %d, a fresh index %d and %d", text, got.Total, got.Possible, want.Total, want.Possible)
		}
	}
}

func TestKilledWhileTheColumnsChangeTheNextGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process many times")
	}
	dir, feed := t.TempDir(), changingFeed(childPhotos)
	if _, err := CatchUp(t.Context(), dir, changingFeedAt(childPhotos, true)); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	var stops []uint64
	for range 8 {
		_, kill := start(t, childChanges, dir)
		time.Sleep(time.Duration(random.IntN(250)) * time.Millisecond)
		kill()
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		find(t, s, "snow -tree", 5000)
		info, err := s.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, info.Cursor.XID)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("killed at the changes %v of %d", stops, feed.changed)
	if _, err := CatchUp(t.Context(), dir, feed); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	sameAsFresh(t, s, projected(t, feed), feed)
	onlyOneGeneration(t, dir)
}

func TestAFailedWriteIsTakenBack(t *testing.T) {
	feed := newWordsFeed()
	feed.root = "/photos"
	put := func(name, model string) {
		feed.put(seenBy(model, photo(name, "A dog."), sees{"snow": shows}), "/photos/"+name+".jpg")
	}
	put("old", "first")
	put("moves", "first")
	put("of the second", "second")
	ix := projected(t, feed)
	// As on a full disk, the words cannot be written any more, the facts can.
	block := indexFile(t, ix.dir, "columns/block-*")
	info, err := os.Stat(block)
	if err != nil {
		t.Fatal(err)
	}
	words := info.Size() - int64(len(firstWords.Words))*columns.BlockSize
	put("new", "first")
	put("old", "first")
	put("moves", "second")
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(words), Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		_, err = ix.Project(t.Context(), feed)
		if restored := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); restored != nil {
			t.Fatal(restored)
		}
		if !errors.Is(err, unix.EFBIG) {
			t.Fatalf("Project() = %v, want the error of the write", err)
		}
	}
	project(t, ix, feed)
	expect(t, ix, feed)
	sameDocuments(t, ix, feed)
	if got := find(t, ix, "snow", 10); got.Total != 4 || len(got.Hits) != 4 {
		t.Errorf("snow finds %v of %d, want each of 4 photos once", names(got), got.Total)
	}
}

func TestDamagedColumnsAreNoticedOrBuiltAgain(t *testing.T) {
	change := func(pattern string, do func(path string, size int64) error) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := indexFile(t, dir, pattern)
			info, err := os.Stat(path)
			if err == nil {
				err = do(path, info.Size())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	cut := func(pattern string) func(*testing.T, string) {
		return change(pattern, func(path string, size int64) error { return os.Truncate(path, size/2) })
	}
	junk := func(pattern string) func(*testing.T, string) {
		return change(pattern, func(path string, size int64) error {
			return os.WriteFile(path, []byte(strings.Repeat("\xffjunk", int(min(size, 1<<20))/5+1)[:min(size, 1<<20)]), 0o600)
		})
	}
	toAByte := func(path string, _ int64) error { return os.Truncate(path, 1) }
	remove := func(pattern string) func(*testing.T, string) {
		return change(pattern, func(path string, _ int64) error { return os.Remove(path) })
	}
	last := func(feed *fakeFeed) *fakeFeed {
		feed.put(seenBy("first", photo("last", "A cat."), sees{"snow": shows}), "/photos/new folder/last.jpg")
		return feed
	}
	fresh := projected(t, last(changingFeed(60)))
	for name, damage := range map[string]func(*testing.T, string){
		"a block cut in half":            cut("columns/block-*"),
		"a block full of junk":           junk("columns/block-*"),
		"no block":                       remove("columns/block-*"),
		"an empty block":                 change("columns/block-*", func(path string, _ int64) error { return os.Truncate(path, 0) }),
		"the folders cut to a byte":      change("columns/folders", toAByte),
		"the folders full of junk":       junk("columns/folders"),
		"no folders":                     remove("columns/folders"),
		"the cameras cut to a byte":      change("columns/cameras", toAByte),
		"no cameras":                     remove("columns/cameras"),
		"a vocabulary cut in half":       cut("columns/vocabulary-first.json"),
		"a vocabulary full of junk":      junk("columns/vocabulary-first.json"),
		"no vocabulary":                  remove("columns/vocabulary-first.json"),
		"a vocabulary of another length": change("columns/vocabulary-first.json", func(path string, _ int64) error { return os.WriteFile(path, []byte(`{}`), 0o600) }),
	} {
		for _, first := range []string{"search", "project"} {
			t.Run(name+", and the next thing is to "+first, func(t *testing.T) {
				feed := changingFeed(60)
				dir := t.TempDir()
				if _, err := CatchUp(t.Context(), dir, feed); err != nil {
					t.Fatal(err)
				}
				damage(t, dir)
				if first == "search" {
					if err := searchColumns(t, dir); !errors.Is(err, ErrDamaged) {
						t.Errorf("searching it: %v, want ErrDamaged", err)
					}
				}
				if _, err := CatchUp(t.Context(), dir, last(feed)); err != nil {
					t.Fatal(err)
				}
				if err := searchColumns(t, dir); errors.Is(err, ErrDamaged) && first == "project" {
					// Projecting need not read everything; then a search has it built again.
					if _, err := CatchUp(t.Context(), dir, feed); err != nil {
						t.Fatal(err)
					}
				} else if err != nil {
					t.Fatal(err)
				}
				s, err := Open(t.Context(), dir)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				sameAsFresh(t, s, fresh, feed)
				onlyOneGeneration(t, dir)
			})
		}
	}
}

// searchColumns opens an index and reads all of its columns' files.
func searchColumns(t *testing.T, dir string) error {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		return err
	}
	for _, text := range []string{"snow", "folder:3", "camera:3"} {
		q := parsed(t, text)
		if _, err = s.Search(t.Context(), Request{Query: q, Limit: 100}); err != nil {
			break
		}
	}
	return errors.Join(err, s.Close())
}

func TestAByteThatChangedInAColumnIsFoundByDocuments(t *testing.T) {
	feed := changingFeed(30)
	dir := t.TempDir()
	if _, err := CatchUp(t.Context(), dir, feed); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	sameDocuments(t, s, feed)
	path := indexFile(t, dir, "columns/block-*")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	// Each byte that is not zero and no header belongs to a photo, and be it
	// one that has left its slot.
	flipped, found := 0, 0
	for at := 4096; at < len(whole); at++ {
		if whole[at] == 0 || at%3 != 0 {
			continue
		}
		flipped++
		if _, err := file.WriteAt([]byte{whole[at] ^ 1}, int64(at)); err != nil {
			t.Fatal(err)
		}
		hits, err := s.Documents(t.Context(), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for _, hit := range hits {
			if hit.Seen == "differs from what was written" {
				wrong++
			}
		}
		if wrong > 0 {
			found++
		}
		if wrong > 1 {
			t.Errorf("byte %d was changed, and %d photos differ", at, wrong)
		}
		if _, err := file.WriteAt(whole[at:at+1], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 || found < flipped/2 {
		t.Errorf("of %d bytes that were changed %d were found", flipped, found)
	}
	sameDocuments(t, s, feed)
}

func TestColumnsCutOffWhileTheyAreReadAreAnErrorAndNotTheEndOfTheProcess(t *testing.T) {
	feed := changingFeed(60)
	ix := projected(t, feed)
	var blocks []string
	err := filepath.WalkDir(ix.dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), "block-") {
			blocks = append(blocks, path)
		}
		return err
	})
	if err != nil || len(blocks) == 0 {
		t.Fatal(blocks, err)
	}
	for _, path := range blocks {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	feed.put(seenBy("first", photo("1", "A cat."), sees{"snow": shows}), "/photos/1.jpg")
	project(t, ix, feed) // builds anew
	sameAsFresh(t, ix, projected(t, feed), feed)
	feed.put(storage.Photo{ID: feed.entries[0].Photo.ID})
	project(t, ix, feed)
	sameAsFresh(t, ix, projected(t, feed), feed)
}

func TestWhatBleveCouldNotWriteAtFirstIsFoundLater(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 10)
	dir := t.TempDir()
	ix, err := OpenWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	project(t, ix, feed)
	// Folders lie where the next segments would be written.
	var inTheWay []string
	for n := range 200 {
		path := filepath.Join(ix.live.store(), fmt.Sprintf("%012x.zap", n))
		// Bleve removes what it does not know, but no folder that holds something.
		if _, err := os.Stat(path); err == nil {
			continue
		}
		full := filepath.Join(t.TempDir(), "full")
		if err := errors.Join(os.MkdirAll(filepath.Join(full, "x"), 0o700), os.Rename(full, path)); err != nil {
			t.Fatal(err)
		}
		inTheWay = append(inTheWay, path)
	}
	numbered(feed, 10, 20)
	if _, err := ix.Project(t.Context(), feed); err == nil {
		t.Fatal("nothing failed")
	}
	for _, path := range inTheWay {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	numbered(feed, 20, 30)
	project(t, ix, feed)
	expect(t, ix, feed)
}
