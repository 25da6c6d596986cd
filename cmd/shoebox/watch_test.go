package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/search"
	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

// newServedLibrary is a library on a server that the test can reach, too.
func newServedLibrary(t *testing.T) (*testLibrary, *postgres.Store) {
	t.Helper()
	l := newTestLibrary(t)
	l.database = storagetest.Server(t)
	l.must(exitDone, "migrate")
	store, err := postgres.Open(t.Context(), l.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return l, store
}

// at returns where search finds a word, below a folder.
func (l *testLibrary) at(word, below string) []string {
	l.t.Helper()
	paths := []string{}
	for _, hit := range lines[search.Hit](l.t, l.run("search", "--json", "--limit=100", word).stdout) {
		for _, path := range hit.Paths {
			rel, err := filepath.Rel(below, path)
			if err != nil {
				l.t.Fatal(err)
			}
			paths = append(paths, rel)
		}
	}
	slices.Sort(paths)
	return paths
}

// word is in the caption that a person wrote, and in no other.
const word = "xylophone"

// What becomes of a photo with a person's caption, step by step: where search
// finds it then, and how many captions the model had to write.
var steps = []struct {
	name      string
	change    func(dir string, a, b, c []byte) error // a has the caption
	paths     []string
	captioned int
}{
	{"renamed", func(dir string, _, _, _ []byte) error {
		return os.Rename(dir+"/one/a.jpg", dir+"/one/renamed.jpg")
	}, []string{"one/renamed.jpg"}, 0},
	{"moved to another root", func(dir string, _, _, _ []byte) error {
		return errors.Join(os.MkdirAll(dir+"/two/trip", 0o755), os.Rename(dir+"/one/renamed.jpg", dir+"/two/trip/a.jpg"))
	}, []string{"two/trip/a.jpg"}, 0},
	{"copied", func(dir string, a, _, _ []byte) error {
		return os.WriteFile(dir+"/one/copy.jpg", a, 0o644)
	}, []string{"one/copy.jpg", "two/trip/a.jpg"}, 0},
	{"its folder renamed", func(dir string, _, _, _ []byte) error {
		return os.Rename(dir+"/two/trip", dir+"/two/holiday")
	}, []string{"one/copy.jpg", "two/holiday/a.jpg"}, 0},
	{"a title written into the copy, the pixels as before", func(dir string, a, _, _ []byte) error {
		return os.WriteFile(dir+"/one/copy.jpg", withComment(a, "title"), 0o644)
	}, []string{"one/copy.jpg", "two/holiday/a.jpg"}, 0},
	{"the copy edited in place", func(dir string, _, b, _ []byte) error {
		return os.WriteFile(dir+"/one/copy.jpg", b, 0o644)
	}, []string{"two/holiday/a.jpg"}, 1},
	{"the file replaced by a rename", func(dir string, _, _, c []byte) error {
		return errors.Join(os.WriteFile(dir+"/two/holiday/.a.jpg.part", c, 0o644),
			os.Rename(dir+"/two/holiday/.a.jpg.part", dir+"/two/holiday/a.jpg"))
	}, []string{}, 1},
	{"restored from a backup", func(dir string, a, _, _ []byte) error {
		return errors.Join(os.MkdirAll(dir+"/one/backup", 0o755), os.WriteFile(dir+"/one/backup/a.jpg", a, 0o644),
			os.Chtimes(dir+"/one/backup/a.jpg", time.Unix(1e9, 0), time.Unix(1e9, 0)))
	}, []string{"one/backup/a.jpg"}, 0},
	{"deleted", func(dir string, _, _, _ []byte) error {
		return os.RemoveAll(dir + "/one/backup")
	}, []string{}, 0},
	{"and restored as it was", func(dir string, a, _, _ []byte) error {
		return errors.Join(os.MkdirAll(dir+"/one/backup", 0o755), os.WriteFile(dir+"/one/backup/a.jpg", a, 0o644),
			os.Chtimes(dir+"/one/backup/a.jpg", time.Unix(1e9, 0), time.Unix(1e9, 0)))
	}, []string{"one/backup/a.jpg"}, 0},
}

// withComment adds a comment to a JPEG behind its first marker.
func withComment(jpeg []byte, text string) []byte {
	length := len(text) + 2
	comment := append([]byte{0xFF, 0xFE, byte(length >> 8), byte(length)}, text...)
	return slices.Concat(jpeg[:2], comment, jpeg[2:])
}

// moving prepares two roots, of which one holds a photo with a person's
// caption, and returns three pictures.
func moving(t *testing.T) (l *testLibrary, dir string, a, b, c []byte) {
	t.Helper()
	l, store := newServedLibrary(t)
	dir = t.TempDir()
	writeLibrary(t, dir+"/pictures", 3)
	pictures := make([][]byte, 3)
	for i := range pictures {
		var err error
		if pictures[i], err = os.ReadFile(fmt.Sprintf("%s/pictures/sub%d/%04d.jpg", dir, i, i)); err != nil {
			t.Fatal(err)
		}
	}
	a, b, c = pictures[0], pictures[1], pictures[2]
	writeFile(t, dir+"/one/a.jpg", a)
	// A root that holds nothing would be taken for an unmounted disk.
	writeFile(t, dir+"/one/stays.jpg", readSample(t, "grace_hopper.jpg"))
	writeFile(t, dir+"/two/stays.jpg", readSample(t, "china.jpg"))
	l.must(exitDone, "index", dir+"/one", dir+"/two")
	for change, err := range store.Photos(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(change.Paths, dir+"/one/a.jpg") {
			if err := store.EditCaption(t.Context(), change.Photo.ID, "A "+word+" on a beach."); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.must(exitDone, "index", dir+"/one", dir+"/two")
	if got := l.at(word, dir); !slices.Equal(got, []string{"one/a.jpg"}) {
		t.Fatalf("the photo is found at %q", got)
	}
	return l, dir, a, b, c
}

func TestACaptionGoesWhereItsPictureGoes(t *testing.T) {
	t.Parallel()
	l, dir, a, b, c := moving(t)
	for _, step := range steps {
		if err := step.change(dir, a, b, c); err != nil {
			t.Fatal(step.name, err)
		}
		out := l.must(exitDone, "index", dir+"/one", dir+"/two")
		if want := fmt.Sprintf(", %d captioned now", step.captioned); !strings.Contains(out.stdout, want) {
			t.Errorf("%s: index printed %q, want %q in it", step.name, out.stdout, want)
		}
		if got := l.at(word, dir); !slices.Equal(got, step.paths) {
			t.Errorf("%s: search finds it at %q, want %q", step.name, got, step.paths)
		}
	}
}

func TestWatchTakesACaptionWhereItsPictureGoes(t *testing.T) {
	t.Parallel()
	l, dir, a, b, c := moving(t)
	watching := l.daemon("watch", "--quiet=300ms") // the folders that are known
	l.await("the folders are watched", func(s statusReport) bool {
		return len(s.Folders) == 2 && s.Folders[0].Watch == "watched" && s.Folders[1].Watch == "watched"
	})
	captioned := 0
	for _, step := range steps {
		if err := step.change(dir, a, b, c); err != nil {
			t.Fatal(step.name, err)
		}
		l.awaitAt(step.name, word, dir, step.paths)
		captioned += step.captioned
	}
	watching.stop()
	got := 0
	for _, match := range regexp.MustCompile(`msg=captioned photos=(\d+)`).FindAllStringSubmatch(watching.stderr.String(), -1) {
		n, _ := strconv.Atoi(match[1])
		got += n
	}
	if got != captioned {
		t.Errorf("the model wrote %d captions, want %d\n%s", got, captioned, watching.stderr.String())
	}
	if s := l.status(); s.Folders[0].Watch != "no" || s.Folders[0].WatchReason != "" {
		t.Errorf("when it has ended, status says %+v", s.Folders[0])
	}
}

// awaitAt waits until search finds a word at some paths.
func (l *testLibrary) awaitAt(what, word, below string, paths []string) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		got := l.at(word, below)
		if slices.Equal(got, paths) {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: search finds it at %q, want %q", what, got, paths)
		}
	}
}

func TestWatchGoesOnWhereIndexEnds(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	if out := l.must(exitFailed, "watch"); !strings.Contains(out.stderr, "shoebox watch DIR") {
		t.Errorf("with nothing indexed it says %q", out.stderr)
	}
	root := t.TempDir()
	writeLibrary(t, root, 5)
	watching := l.daemon("watch", "--quiet=300ms", root)
	l.await("what was there is captioned", func(s statusReport) bool { return s.Photos == 5 && !s.Index.Behind })
	writeLibrary(t, root, 12)
	l.await("what came is, too", func(s statusReport) bool { return s.Photos == 12 && !s.Index.Behind })

	// While it runs, another folder is indexed by hand. It is no slip that
	// both work on one library.
	other := t.TempDir()
	writeFile(t, filepath.Join(other, "china.jpg"), readSample(t, "china.jpg"))
	l.must(exitDone, "index", other)
	l.await("both are searched", func(s statusReport) bool { return s.Photos == 13 && s.Index.Photos == 13 })

	watching.cmd.Process.Kill()
	watching.cmd.Wait()
	writeFile(t, filepath.Join(root, "while-away.jpg"), readSample(t, "grace_hopper.jpg"))
	again := l.daemon("watch", "--quiet=300ms") // all folders
	s := l.await("what came meanwhile is captioned", func(s statusReport) bool { return s.Photos == 14 && s.Index.Photos == 14 })
	for _, folder := range s.Folders {
		if folder.Watch != "watched" || folder.ScannedAt == nil {
			t.Errorf("a folder is %+v", folder)
		}
	}
	again.stop()
}

func TestAFolderThatWasEmptiedHasToBeConfirmed(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "sub", "1.jpg"), readSample(t, "astronaut.jpg"))
	l.must(exitDone, "index", root)
	query := l.words(filepath.Join(root, "sub", "1.jpg"))
	if err := os.RemoveAll(filepath.Join(root, "sub")); err != nil {
		t.Fatal(err)
	}
	out := l.must(exitFailed, "index", root)
	if !strings.Contains(out.stdout, "--confirm-empty") {
		t.Errorf("index does not say what to do: %s", out.stdout)
	}
	if got := l.at(query, root); !slices.Equal(got, []string{"sub/1.jpg"}) {
		t.Errorf("search finds %q", got)
	}
	if s := l.status(); s.Folders[0].Problem == "" || s.Folders[0].Present || s.Files.Missing != 0 {
		t.Errorf("status is %+v", s.Folders)
	}
	if out := l.must(exitDone, "status"); !strings.Contains(out.stdout, "holds no pictures any more") {
		t.Errorf("status prints %q", out.stdout)
	}

	l.must(exitDone, "index", "--confirm-empty", root)
	if s := l.status(); s.Folders[0].Problem != "" || s.Files.Missing != 1 || s.Index.Photos != 0 {
		t.Errorf("when confirmed, status is %+v", s)
	}
	l.must(exitDone, "index", root) // once is enough
}

func TestAnotherDiskInThePlaceOfAFolderHasToBeConfirmed(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "1.jpg"), readSample(t, "astronaut.jpg"))
	l.must(exitDone, "index", root)
	query := l.words(filepath.Join(root, "1.jpg"))
	if err := unix.Mount("none", root, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("only root may mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(root, unix.MNT_DETACH) })
	writeFile(t, filepath.Join(root, "2.jpg"), readSample(t, "china.jpg"))

	out := l.must(exitFailed, "index", root)
	if !strings.Contains(out.stdout, "another file system") || !strings.Contains(out.stdout, "--confirm-empty") {
		t.Errorf("index prints %q", out.stdout)
	}
	if got := l.at(query, root); !slices.Contains(got, "1.jpg") {
		t.Errorf("search finds %q", got)
	}
	if s := l.status(); !strings.Contains(s.Folders[0].Problem, "another file system") || s.Files.Done != 1 {
		t.Errorf("status is %+v", s)
	}
	l.must(exitDone, "index", "--confirm-empty", root)
	if s := l.status(); s.Files.Done != 1 || s.Files.Missing != 1 || s.Photos != 2 {
		t.Errorf("when confirmed, status is %+v", s)
	}
	l.must(exitDone, "index", root)
}

func TestWhatIsLeftOutLeavesSearchAndComesBackWithItsCaption(t *testing.T) {
	t.Parallel()
	l, store := newServedLibrary(t)
	root := t.TempDir()
	photo := readSample(t, "astronaut.jpg")
	writeFile(t, filepath.Join(root, "private", "1.jpg"), photo)
	writeFile(t, filepath.Join(root, "2.jpg"), readSample(t, "china.jpg"))
	for _, name := range []string{"._1.jpg", ".thumbnails/1.jpg", "@eaDir/1.jpg", "#recycle/1.jpg", ".Trash-1000/files/1.jpg", ".trashed-1.jpg"} {
		writeFile(t, filepath.Join(root, name), bytes.Clone(photo))
	}
	l.must(exitDone, "index", root)
	query := l.words(filepath.Join(root, "private", "1.jpg"))
	if got := l.at(query, root); !slices.Equal(got, []string{"private/1.jpg"}) {
		t.Fatalf("search finds %q", got)
	}

	rules := filepath.Join(root, ".shoeboxignore")
	writeFile(t, rules, []byte("# not for everybody\nprivate/\n"))
	l.must(exitDone, "index", root)
	if got := l.at(query, root); len(got) != 0 {
		t.Errorf("left out, search finds %q", got)
	}
	if s := l.status(); s.Files.Missing != 1 || s.Files.Done != 1 {
		t.Errorf("left out, status is %+v", s.Files)
	}
	ids := []storage.PhotoID{sha256.Sum256(photo)}
	if known, err := store.CaptionedPhotos(t.Context(), ids); err != nil || !known[ids[0]] {
		t.Errorf("the caption is known: %v, %v", known, err)
	}

	if err := os.Remove(rules); err != nil {
		t.Fatal(err)
	}
	if out := l.must(exitDone, "index", root); !strings.Contains(out.stdout, " 0 captioned now") {
		t.Errorf("back again, index printed %q", out.stdout)
	}
	if got := l.at(query, root); !slices.Equal(got, []string{"private/1.jpg"}) {
		t.Errorf("back again, search finds %q", got)
	}
}
