package private_test

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"shoebox/storage/private"
)

func TestOrdinaryUserRunsTheServer(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	if os.Geteuid() != 0 {
		t.Skip("the other tests show it: they do not run as root")
	}
	f.user = credentialOf(t, "daemon")
	f.must(os.Chown(filepath.Dir(f.path), int(f.user.Uid), int(f.user.Gid)))
	p, url := f.start()
	f.remember(url)
	if info, err := os.Stat(f.path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others can enter the data folder: %v %v", info, err)
	}
	// Root joins in, and is the next to start it, as the owner.
	f.user = nil
	_, url = f.start()
	f.remembered(url)
	f.leave(p)
	f.kill(f.supervisor())
	f.await("the server to stop", func() bool { return f.postmaster() == 0 })
	_, url = f.start()
	f.remembered(url)
	if got := f.ownerOf(fmt.Sprintf("/proc/%d", f.postmaster())); got != credentialOf(t, "daemon").Uid {
		t.Errorf("root runs the server of user %d as user %d", credentialOf(t, "daemon").Uid, got)
	}
}

func TestStrangerIsSentAway(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to be two users")
	}
	f := newFolder(t)
	f.stopped()
	f.user = credentialOf(t, "daemon")
	if why := f.refusal(); !strings.Contains(why, "belongs to another user") {
		t.Errorf("%q does not say whose folder it is", why)
	}
}

func TestRootIsToldWhichFolderKeepsTheServerOut(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: everybody else runs the server as themselves")
	}
	f := newFolder(t)
	closed := filepath.Join(filepath.Dir(f.path), "closed")
	f.must(os.Mkdir(closed, 0o700))
	f.path = filepath.Join(closed, "data")
	if why := f.refusal(); !strings.Contains(why, "cannot pass through "+closed) || !strings.Contains(why, "chmod o+x") {
		t.Errorf("%q does not say what to do", why)
	}
}

func TestServerOfRootRunsAsAnUnprivilegedUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	f := newFolder(t)
	_, url := f.start()
	f.remember(url)
	want := f.serverUser().Uid
	for _, path := range []string{f.data(), fmt.Sprintf("/proc/%d", f.postmaster())} {
		if got := f.ownerOf(path); got != want || got == 0 {
			t.Errorf("%s belongs to user %d, want %d", path, got, want)
		}
	}
}

// serverUser is the user the server runs as; nil when it is this one.
func (f *folder) serverUser() *syscall.Credential {
	f.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := private.ServerUser(f.path)
	f.must(err)
	return credentialOf(f.T, u.Username)
}

// chown gives a file to the server's user.
func (f *folder) chown(path string) {
	f.Helper()
	if u := f.serverUser(); u != nil {
		f.must(os.Chown(path, int(u.Uid), int(u.Gid)))
	}
}

func (f *folder) ownerOf(path string) uint32 {
	f.Helper()
	info, err := os.Stat(path)
	f.must(err)
	return info.Sys().(*syscall.Stat_t).Uid
}

func credentialOf(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
