package scan

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/storage"
)

// memory is a Store that keeps the known files of one folder. The real one
// is tested by storage/storagetest and, with this package, by the tests of
// cmd/shoebox.
type memory struct {
	files  map[string]storage.KnownFile
	end    storage.ScanEnd
	writes int
	delay  <-chan struct{} // KnownBelow waits for it
}

func (m *memory) folder(root string) storage.Folder {
	return storage.Folder{ID: 1, Path: root, FileSystem: m.end.FileSystem}
}

func (m *memory) KnownBelow(_ context.Context, _ int64, dir string) iter.Seq2[storage.KnownFile, error] {
	return func(yield func(storage.KnownFile, error) bool) {
		if m.delay != nil {
			<-m.delay
		}
		var paths []string
		for p := range m.files {
			if dir == "" || strings.HasPrefix(p, dir+"/") {
				paths = append(paths, p)
			}
		}
		slices.Sort(paths)
		for _, p := range paths {
			if !yield(m.files[p], nil) {
				return
			}
		}
	}
}

func (m *memory) KnownAt(_ context.Context, _ int64, paths []string) (files []storage.KnownFile, parents []string, err error) {
	for _, p := range paths {
		if f, ok := m.files[p]; ok {
			files = append(files, f)
		}
		for below, f := range m.files {
			if strings.HasPrefix(below, p+"/") && !f.Missing {
				parents = append(parents, p)
				break
			}
		}
	}
	return files, parents, nil
}

// id keeps the ID of a path, as storage does.
func (m *memory) id(path string) int64 {
	if f, ok := m.files[path]; ok {
		return f.ID
	}
	return int64(len(m.files) + 1)
}

func (m *memory) ApplyScan(_ context.Context, _ int64, changes storage.ScanChanges) error {
	m.writes++
	for _, f := range changes.Upserts {
		m.files[f.Path] = storage.KnownFile{ID: m.id(f.Path), FileStat: f, State: storage.Pending}
	}
	for p, f := range m.files {
		if slices.Contains(changes.Restored, f.ID) {
			f.Missing = false
		}
		if slices.Contains(changes.Missing, f.ID) {
			f.Missing = true
		}
		m.files[p] = f
	}
	return nil
}

func (m *memory) EndScan(_ context.Context, _ int64, end storage.ScanEnd) error {
	if end.Problem != "" {
		end.FileSystem = m.end.FileSystem
	}
	m.end = end
	return nil
}

func scanned(t *testing.T, store *memory, root string) Summary {
	t.Helper()
	summary, err := Folder(t.Context(), store, store.folder(root), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, got, want Summary) {
	t.Helper()
	got.Root, got.FileSystem = nil, ""
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("the scan saw %+v, want %+v", got, want)
	}
}

func TestScanFindsWhatIsNewChangedGoneAndBack(t *testing.T) {
	root := t.TempDir()
	store := &memory{files: map[string]storage.KnownFile{}}
	// "b.jpg" sorts between the folder "b" and its files, were whole paths
	// not compared.
	for _, name := range []string{"a.jpg", "b.jpg", "b/1.JPG", "b/2.png", "b-c.jpg", "c/d/e.heic"} {
		write(t, filepath.Join(root, name), name)
	}
	for _, name := range []string{"notes.txt", "b/._1.JPG", "@eaDir/a.jpg", ".thumbnails/x.jpg", ".DS_Store"} {
		write(t, filepath.Join(root, name), "ignored")
	}
	check(t, scanned(t, store, root), Summary{Files: 6, New: 6})
	writes := store.writes
	check(t, scanned(t, store, root), Summary{Files: 6, Unchanged: 6})
	if store.writes != writes {
		t.Error("a scan that found nothing wrote to storage")
	}

	write(t, filepath.Join(root, "a.jpg"), "longer than before")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(root, "b.jpg"), later, later); err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(t.TempDir(), "2.png")
	if err := os.Rename(filepath.Join(root, "b/2.png"), away); err != nil {
		t.Fatal(err)
	}
	check(t, scanned(t, store, root), Summary{Files: 5, Changed: 2, Missing: 1, Unchanged: 3})
	check(t, scanned(t, store, root), Summary{Files: 5, Unchanged: 5})
	if err := os.Rename(away, filepath.Join(root, "b/2.png")); err != nil {
		t.Fatal(err)
	}
	check(t, scanned(t, store, root), Summary{Files: 6, Restored: 1, Unchanged: 5})
}

func TestARootThatIsGoneOrEmptyChangesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "photos")
	store := &memory{files: map[string]storage.KnownFile{}}
	write(t, filepath.Join(root, "a.jpg"), "a")
	scanned(t, store, root)
	writes := store.writes

	cases := map[string]func(){
		"empty, as a mount point is":  func() { os.Remove(filepath.Join(root, "a.jpg")) },
		"gone":                        func() { os.Remove(root) },
		"a file where the folder was": func() { os.WriteFile(root, nil, 0o644) },
	}
	for _, name := range []string{"empty, as a mount point is", "gone", "a file where the folder was"} {
		cases[name]()
		_, err := Folder(t.Context(), store, store.folder(root), Options{})
		var problem *Problem
		if !errors.As(err, &problem) || !strings.Contains(err.Error(), "Nothing was changed") {
			t.Errorf("%s: the error is %v", name, err)
		}
		if store.end.Problem == "" || store.writes != writes || store.files["a.jpg"].Missing {
			t.Errorf("%s: storage was changed", name)
		}
	}
}

func TestADiskThatIsUnmountedDuringTheScanDeletesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "photos")
	store := &memory{files: map[string]storage.KnownFile{}}
	for n := range 100 {
		write(t, filepath.Join(root, fmt.Sprintf("%d/%d.jpg", n/10, n)), "x")
	}
	scanned(t, store, root)
	unmount := func(dir string) {
		if dir == "5" {
			if err := errors.Join(os.Rename(root, root+".away"), os.Mkdir(root, 0o755)); err != nil {
				t.Error(err)
			}
		}
	}
	_, err := Folder(t.Context(), store, store.folder(root), Options{Enter: unmount})
	var problem *Problem
	if !errors.As(err, &problem) {
		t.Errorf("the error is %v", err)
	}
	for path, file := range store.files {
		if file.Missing {
			t.Errorf("%s counts as deleted", path)
		}
	}
}

func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "far.jpg"), "x")
	write(t, filepath.Join(root, "sub/near.jpg"), "x")
	for link, target := range map[string]string{"sub/loop": "..", "away": outside, "far.jpg": filepath.Join(outside, "far.jpg")} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	check(t, scanned(t, &memory{files: map[string]storage.KnownFile{}}, root), Summary{Files: 1, New: 1})

	// The root itself may be a link: people point one at a mounted disk.
	link := filepath.Join(t.TempDir(), "photos")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	check(t, scanned(t, &memory{files: map[string]storage.KnownFile{}}, link), Summary{Files: 1, New: 1})
}

func TestUnsupportedFilesAreAskedAgainByNewerDecoders(t *testing.T) {
	root := t.TempDir()
	store := &memory{files: map[string]storage.KnownFile{}}
	write(t, filepath.Join(root, "a.heic"), "a")
	scanned(t, store, root)
	file := store.files["a.heic"]
	file.State, file.DecoderVersion = storage.Unsupported, 0
	store.files["a.heic"] = file
	check(t, scanned(t, store, root), Summary{Files: 1, Changed: 1})
}

func TestNamesOfAnyBytesAreWalked(t *testing.T) {
	root := t.TempDir()
	names := []string{"with space.jpg", "new\nline.jpg", `quo"te'.jpg`, "bad\xff\xfeutf8.jpg", strings.Repeat("n", 246) + ".jpg"}
	for _, name := range names {
		write(t, filepath.Join(root, name), "x")
	}
	store := &memory{files: map[string]storage.KnownFile{}}
	scanned(t, store, root)
	for _, name := range names {
		if _, ok := store.files[name]; !ok {
			t.Errorf("%q was not found", name)
		}
	}
}

func TestTheSkippedFolderIsNotWalked(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "a.jpg"), "x")
	write(t, filepath.Join(root, "data/thumbnail.jpg"), "x")
	store := &memory{files: map[string]storage.KnownFile{}}
	options := Options{Skip: filepath.Join(root, "data")}
	if _, err := Folder(t.Context(), store, store.folder(root), options); err != nil {
		t.Fatal(err)
	}
	if len(store.files) != 1 {
		t.Errorf("storage holds %d files, want 1", len(store.files))
	}
}
