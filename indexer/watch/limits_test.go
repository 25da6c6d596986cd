package watch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"shoebox/storage"
)

// few is a kernel that watches some folders only.
type few struct {
	most  int
	paths map[string]bool
	err   error
}

func (f *few) Add(path string) error {
	if len(f.paths) >= f.most && !f.paths[path] {
		return f.err
	}
	f.paths[path] = true
	return nil
}

func (f *few) Remove(path string) error {
	if !f.paths[path] {
		return fsnotify.ErrNonExistentWatch
	}
	delete(f.paths, path)
	return nil
}

func (f *few) WatchList() []string {
	var paths []string
	for path := range f.paths {
		paths = append(paths, path)
	}
	return paths
}

func TestFoldersWithoutAWatchAreCountedAndExplained(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"a", "b/c"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	all := []string{"", "a", "b", "b/c"}
	cases := []struct {
		name string
		most int
		err  error
		mode storage.WatchMode
		says []string
	}{
		{"all are watched", 4, nil, storage.Watched, nil},
		{"the limit is too low for some", 2, unix.ENOSPC, storage.Partly, []string{"2 of 4 folders", "fs.inotify.max_user_watches"}},
		{"it is too low for any", 0, unix.ENOSPC, storage.Polled, []string{"4 of 4 folders", "fs.inotify.max_user_watches"}},
		{"something else is wrong", 3, unix.EACCES, storage.Partly, []string{"1 of 4 folders", "permission denied"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := &New(nil, storage.Folder{Path: root}, quick, nil).notices
			n.notify = &few{most: c.most, paths: map[string]bool{}, err: c.err}
			for range 2 { // a second look comes to the same
				n.begin()
				for _, dir := range all {
					n.enter(dir)
				}
				mode, reason := n.end()
				if mode != c.mode {
					t.Errorf("the folder is %s, want %s", mode, c.mode)
				}
				for _, part := range c.says {
					if !strings.Contains(reason, part) {
						t.Errorf("it says %q, want %q in it", reason, part)
					}
				}
			}
			n.notify.(*few).most = 4 // the person has raised the limit
			n.begin()
			for _, dir := range all {
				n.enter(dir)
			}
			if mode, _ := n.end(); mode != storage.Watched {
				t.Errorf("with a higher limit the folder is %s", mode)
			}
		})
	}
}

func TestWhatIsWatchedFollowsTheFolders(t *testing.T) {
	root := t.TempDir()
	n := &New(nil, storage.Folder{Path: root}, quick, nil).notices
	kernel := &few{most: 100, paths: map[string]bool{}}
	n.notify = kernel
	look := func(dirs ...string) {
		t.Helper()
		n.begin()
		for _, dir := range append([]string{""}, dirs...) {
			n.enter(dir)
		}
		n.end()
		want := []string{root}
		for _, dir := range dirs {
			want = append(want, filepath.Join(root, dir))
		}
		if got := sorted(kernel.WatchList()); !slices.Equal(got, sorted(want)) {
			t.Errorf("watched are %q, want %q", got, want)
		}
	}
	for _, dir := range []string{"a/b", "c"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	look("a", "a/b", "c")
	look("a", "c") // a/b is left out now, or gone
	look("a", "a/b", "c")
	// The event of the renaming was lost: the kernel still has the old names.
	rename(t, root+"/a", root+"/z")
	look("c", "z", "z/b")
	n.note(fsnotify.Event{Name: root + "/z", Op: fsnotify.Rename})
	if got := sorted(kernel.WatchList()); !slices.Equal(got, []string{root, root + "/c"}) {
		t.Errorf("after the event of a renaming, watched are %q", got)
	}
}

func TestLostEventsAreALookAtEverything(t *testing.T) {
	root := t.TempDir()
	write(t, root, "1.jpg")
	w, store := start(t, root, quick)
	store.has(t, "1.jpg")
	ends := store.ends
	errs := make(chan error)
	go w.notices.drain(t.Context(), nil, errs)
	errs <- fsnotify.ErrEventOverflow
	store.until(t, "another full look", func() bool { return store.ends > ends })
}

// In a user namespace of its own a process may lower the limits of inotify
// for itself.
const limitVariable = "WATCH_TEST_LIMIT"

func TestFoldersBeyondTheSystemsLimitArePolled(t *testing.T) {
	cases := []struct {
		setting string
		value   int
		mode    storage.WatchMode
		says    string
	}{
		{"max_inotify_watches", 2, storage.Partly, "fs.inotify.max_user_watches"},
		{"max_inotify_instances", 0, storage.Polled, "fs.inotify.max_user_instances"},
	}
	if os.Getenv(limitVariable) == "" {
		inNamespace(t)
		return
	}
	for _, c := range cases {
		t.Run(c.setting, func(t *testing.T) {
			if err := os.WriteFile("/proc/sys/user/"+c.setting, fmt.Append(nil, c.value), 0); err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			for i := range 5 {
				write(t, root, fmt.Sprint(i), "old.jpg")
			}
			_, store := start(t, root, quick)
			if store.watch.Mode != c.mode || !strings.Contains(store.watch.Reason, c.says) {
				t.Errorf("the folder is %+v, want %s and %q", store.watch, c.mode, c.says)
			}
			write(t, root, "4/new.jpg")
			write(t, root, "new/new.jpg")
			store.has(t, "0/old.jpg", "1/old.jpg", "2/old.jpg", "3/old.jpg", "4/old.jpg", "4/new.jpg", "new/new.jpg")
		})
	}
}

// inNamespace runs the calling test again, in a process that is alone in its
// user namespace.
func inNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), limitVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skipf("this system has no user namespaces for everybody: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAnUnmountedDiskIsNoticedAlthoughNothingIsToldOfIt(t *testing.T) {
	root := t.TempDir()
	mount := func() {
		t.Helper()
		if err := unix.Mount("none", root, "tmpfs", 0, "size=1m"); err != nil {
			t.Skipf("only root may mount: %v", err)
		}
	}
	mount()
	unmount := func() { unix.Unmount(root, unix.MNT_DETACH) }
	t.Cleanup(unmount)
	write(t, root, "1.jpg")
	w, store := start(t, root, quick)
	store.has(t, "1.jpg")
	unmount()
	mount() // an empty disk in its place
	if _, stands := w.Root(); stands {
		t.Error("another file system counts as the same")
	}
	for limit := time.Now().Add(10 * time.Second); !w.notices.lost(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("that the kernel has dropped the watch is not noticed")
		}
	}
	w.LookAgain() // as it does once a minute when one of these is noticed
	store.until(t, "the root is doubted", func() bool { return store.end.Problem != "" })
	if got := store.present(); !slices.Equal(got, []string{"1.jpg"}) {
		t.Errorf("storage has %q", got)
	}
}

func TestManyFilesInNewFoldersAreAllFoundWhileStorageIsBusy(t *testing.T) {
	const folders, files = 100, 20
	root := t.TempDir()
	_, store := start(t, root, quick)
	store.busy = 20 * time.Millisecond
	var want []string
	for i := range folders {
		dir := fmt.Sprintf("%d/%d/%d", i%4, i%20, i)
		for j := range files {
			name := fmt.Sprintf("%s/%d.jpg", dir, j)
			write(t, root, name)
			want = append(want, name)
		}
	}
	store.has(t, want...)
}
