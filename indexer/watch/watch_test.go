package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shoebox/indexer/scan"
	"shoebox/storage"
)

// memory is a Store of one folder that says when something was recorded.
type memory struct {
	mu      sync.Mutex
	files   map[string]storage.KnownFile
	end     storage.ScanEnd
	ends    int
	watch   storage.Watch
	changed chan struct{} // closed at the next change
	busy    time.Duration // that recording takes
}

func newMemory() *memory {
	return &memory{files: make(map[string]storage.KnownFile), changed: make(chan struct{})}
}

func (m *memory) lock() (unlock func()) {
	m.mu.Lock()
	return func() {
		close(m.changed)
		m.changed = make(chan struct{})
		m.mu.Unlock()
	}
}

func (m *memory) KnownBelow(_ context.Context, _ int64, dir string) iter.Seq2[storage.KnownFile, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := maps.Clone(m.files)
	return func(yield func(storage.KnownFile, error) bool) {
		for _, path := range slices.Sorted(maps.Keys(known)) {
			if (dir == "" || strings.HasPrefix(path, dir+"/")) && !yield(known[path], nil) {
				return
			}
		}
	}
}

func (m *memory) KnownAt(_ context.Context, _ int64, paths []string) (files []storage.KnownFile, parents []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	above := make(map[string]bool)
	for path, file := range m.files {
		for i, c := range path {
			if c == '/' && !file.Missing {
				above[path[:i]] = true
			}
		}
	}
	for _, path := range paths {
		if file, ok := m.files[path]; ok {
			files = append(files, file)
		}
		if above[path] {
			parents = append(parents, path)
		}
	}
	return files, parents, nil
}

func (m *memory) ApplyScan(_ context.Context, _ int64, changes storage.ScanChanges) error {
	time.Sleep(m.busy)
	defer m.lock()()
	for _, f := range changes.Upserts {
		known, ok := m.files[f.Path]
		if !ok {
			known.ID = int64(len(m.files) + 1)
		}
		m.files[f.Path] = storage.KnownFile{ID: known.ID, FileStat: f, State: storage.Pending}
	}
	for path, f := range m.files {
		f.Missing = slices.Contains(changes.Missing, f.ID) || f.Missing && !slices.Contains(changes.Restored, f.ID)
		m.files[path] = f
	}
	return nil
}

func (m *memory) EndScan(_ context.Context, _ int64, end storage.ScanEnd) error {
	defer m.lock()()
	m.end = end
	m.ends++
	return nil
}

func (m *memory) ReportWatch(_ context.Context, _ int64, mode storage.WatchMode, reason string) error {
	defer m.lock()()
	m.watch = storage.Watch{Mode: mode, Reason: reason}
	return nil
}

// until waits until storage is as a test wants it.
func (m *memory) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		m.mu.Lock()
		done, changed := is(), m.changed
		m.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Fatalf("never: %s; storage has %q, %+v, %+v", what, m.present(), m.watch, m.end)
		}
	}
}

// present lists the files that are there. The lock must be held.
func (m *memory) present() []string {
	var paths []string
	for path, f := range m.files {
		if !f.Missing {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// has waits until exactly these files are known.
func (m *memory) has(t *testing.T, paths ...string) {
	t.Helper()
	slices.Sort(paths)
	m.until(t, fmt.Sprintf("storage has %q", paths), func() bool { return slices.Equal(m.present(), paths) })
}

// quick are settings for tests that do not want to wait.
var quick = Settings{Quiet: 50 * time.Millisecond, Limit: 500 * time.Millisecond, Rescan: time.Hour, Poll: 100 * time.Millisecond}

// start watches a folder until the test ends, beginning with the first look.
func start(t *testing.T, root string, settings Settings) (*Watcher, *memory) {
	t.Helper()
	store := newMemory()
	w := New(store, storage.Folder{ID: 1, Path: root}, settings, func(scan.Summary) {})
	run(t, w)
	store.until(t, "the first look ends", func() bool { return store.watch.Mode != "" })
	return w, store
}

func run(t *testing.T, w *Watcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func write(t *testing.T, elements ...string) {
	t.Helper()
	path := filepath.Join(elements...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(path), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestWhatHappensInAFolderIsNoticed(t *testing.T) {
	root := t.TempDir()
	write(t, root, "old.jpg")
	_, store := start(t, root, quick)
	store.has(t, "old.jpg")
	if store.watch.Mode != storage.Watched {
		t.Errorf("the folder is %+v", store.watch)
	}

	write(t, root, "new.jpg")
	store.has(t, "new.jpg", "old.jpg")
	write(t, root, "a/b/c/deep.jpg") // folders that are not watched yet
	store.has(t, "a/b/c/deep.jpg", "new.jpg", "old.jpg")
	write(t, root, "a/b/c/deeper.jpg") // and are now
	store.has(t, "a/b/c/deep.jpg", "a/b/c/deeper.jpg", "new.jpg", "old.jpg")

	rename(t, root+"/a", root+"/z")
	store.has(t, "new.jpg", "old.jpg", "z/b/c/deep.jpg", "z/b/c/deeper.jpg")
	// The kernel would go on telling of these under the old name.
	write(t, root, "z/b/c/after.jpg")
	write(t, root, "z/b/new/after.jpg")
	store.has(t, "new.jpg", "old.jpg", "z/b/c/after.jpg", "z/b/c/deep.jpg", "z/b/c/deeper.jpg", "z/b/new/after.jpg")

	if err := errors.Join(os.Remove(root+"/new.jpg"), os.RemoveAll(root+"/z/b/c")); err != nil {
		t.Fatal(err)
	}
	store.has(t, "old.jpg", "z/b/new/after.jpg")
	write(t, root, "z/b/c/again.jpg") // a folder of a name that was watched before
	store.has(t, "old.jpg", "z/b/c/again.jpg", "z/b/new/after.jpg")

	outside := t.TempDir()
	write(t, outside, "in/1.jpg")
	rename(t, outside+"/in", root+"/in")
	store.has(t, "in/1.jpg", "old.jpg", "z/b/c/again.jpg", "z/b/new/after.jpg")
	rename(t, root+"/z", outside+"/out")
	store.has(t, "in/1.jpg", "old.jpg")

	write(t, root, "in", scan.RulesName)
	if err := os.WriteFile(filepath.Join(root, "in", scan.RulesName), []byte("*.jpg\n!keep.jpg\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, root, "in/keep.jpg")
	store.has(t, "in/keep.jpg", "old.jpg")
}

func TestAChangedFileIsTakenUpWhenItRestsOrAtTheLimit(t *testing.T) {
	root := t.TempDir()
	write(t, root, "old.jpg")
	settings := quick
	settings.Quiet, settings.Limit = time.Second, 3*time.Second
	_, store := start(t, root, settings)

	file, err := os.Create(filepath.Join(root, "slow.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	began := time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // writes more often than the file would have to rest
		defer close(stopped)
		for tick := time.Tick(100 * time.Millisecond); ; {
			select {
			case <-tick:
				io.WriteString(file, "more")
			case <-stop:
				return
			}
		}
	}()
	store.has(t, "old.jpg", "slow.jpg")
	if took := time.Since(began); took < settings.Limit {
		t.Errorf("taken up after %v, while it was being written", took)
	}
	close(stop)
	<-stopped
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	store.until(t, "the file is known as it is in the end", func() bool { return store.files["slow.jpg"].Size == info.Size() })
}

func TestAReplacedRootIsNoticedAndChangesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "photos")
	write(t, root, "1.jpg")
	write(t, root, "sub/2.jpg")
	w, store := start(t, root, quick)
	store.has(t, "1.jpg", "sub/2.jpg")
	rename(t, root, root+".away")
	store.until(t, "the root is found to be gone", func() bool { return store.end.Problem != "" })
	if _, stands := w.Root(); stands || len(store.present()) != 2 {
		t.Errorf("stands: %v, storage has %q", stands, store.present())
	}
	rename(t, root+".away", root)
	store.until(t, "the root is back", func() bool { return store.end.Problem == "" })
	write(t, root, "sub/3.jpg")
	store.has(t, "1.jpg", "sub/2.jpg", "sub/3.jpg")
}

func TestAWatcherOfAForgottenFolderEnds(t *testing.T) {
	root := t.TempDir()
	w := New(forgetful{newMemory()}, storage.Folder{ID: 1, Path: root}, quick, func(scan.Summary) {})
	if err := w.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

type forgetful struct{ *memory }

func (forgetful) EndScan(context.Context, int64, storage.ScanEnd) error {
	return fmt.Errorf("folder 1: %w", storage.ErrUnknownFolder)
}

func TestAWatcherSignsOff(t *testing.T) {
	store := newMemory()
	w := New(store, storage.Folder{ID: 1, Path: t.TempDir()}, quick, func(scan.Summary) {})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	store.until(t, "the first look ends", func() bool { return store.watch.Mode == storage.Watched })
	cancel()
	if err := <-ended; err != nil || store.watch.Mode != "" {
		t.Errorf("%v, and the folder is %+v", err, store.watch)
	}
}

func TestASidecarIsNoticed(t *testing.T) {
	root := t.TempDir()
	write(t, root, "sub/a.jpg")
	write(t, root, "sub/a.CR2")
	write(t, root, "b.jpg")
	_, store := start(t, root, quick)
	store.has(t, "b.jpg", "sub/a.CR2", "sub/a.jpg")
	beside := func(what, path string, size int64) {
		t.Helper()
		store.until(t, what, func() bool { return store.files[path].Sidecar.Size == size })
	}
	content := func(name string, size int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content("sub/a.xmp", 10)
	beside("a new sidecar is known with one picture", "sub/a.jpg", 10)
	beside("and with the other", "sub/a.CR2", 10)
	content("sub/a.xmp", 20)
	beside("it has changed", "sub/a.jpg", 20)
	content("sub/.a.xmp.part", 30)
	rename(t, filepath.Join(root, "sub/.a.xmp.part"), filepath.Join(root, "sub/a.xmp"))
	beside("it was replaced", "sub/a.jpg", 30)
	rename(t, filepath.Join(root, "sub/a.xmp"), filepath.Join(root, "b.xmp"))
	beside("it has left one picture", "sub/a.jpg", 0)
	beside("for another", "b.jpg", 30)
	if err := os.Remove(filepath.Join(root, "b.xmp")); err != nil {
		t.Fatal(err)
	}
	beside("it is gone", "b.jpg", 0)
	if got := store.present(); len(got) != 3 {
		t.Errorf("storage has %q", got)
	}
}
