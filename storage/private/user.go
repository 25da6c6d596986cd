package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// serverUsers are the users that root runs the server as, the first that
// exists. PostgreSQL refuses to run as root and needs a user with a passwd
// entry. "shoebox" is for an administrator who wants one for this alone,
// "postgres" keeps databases anyway, and "nobody" is there on every system but
// may be shared with other services.
var serverUsers = []string{"shoebox", "postgres", "nobody"}

// ServerUser is the user that the server of a data folder runs as: the user of
// this process, or for root the owner of the cluster that is there already, else
// the first of "shoebox", "postgres" and "nobody" that exists.
func ServerUser(dataDir string) (*user.User, error) {
	if os.Geteuid() != 0 {
		return user.Current()
	}
	if owner, ok := ownerOf(filepath.Join(dataDir, "postgres", "data")); ok && owner != 0 {
		found, err := user.LookupId(strconv.Itoa(int(owner)))
		if err != nil {
			return nil, fmt.Errorf("%s belongs to user %d, who has no passwd entry; PostgreSQL needs one: %w",
				filepath.Join(dataDir, "postgres", "data"), owner, err)
		}
		return found, nil
	}
	for _, name := range serverUsers {
		if found, err := user.Lookup(name); err == nil {
			return found, nil
		}
	}
	return nil, errors.New("the private database cannot run as root and there is no other user for it: create one with `useradd --system shoebox`, or set DATABASE_URL")
}

// ownerOf is the user ID that owns a file.
func ownerOf(path string) (uint32, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, true
}

// credential is what a process started by root needs to be u; nil for others.
func credential(u *user.User) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// MakeDataDir makes the data folder where it is missing, for its owner alone;
// root's lets others pass through but not look, because the server's user must
// reach what is below. A folder that is there is left as it is.
func MakeDataDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	return makePassage(dir)
}

// makePassage makes one folder, whatever the umask says.
func makePassage(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil && os.Geteuid() == 0 {
		err = os.Chmod(dir, 0o711)
	}
	return err
}

// CheckPassage says which folder on the way to path keeps a user out, as far as
// permission bits tell; nil when none does. path may be a file.
func CheckPassage(path string, u *user.User) error {
	for _, dir := range parents(path) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || !info.IsDir() {
			continue
		}
		allowed := info.Mode().Perm() & 0o001
		if strconv.Itoa(int(stat.Uid)) == u.Uid {
			allowed = info.Mode().Perm() & 0o100
		} else if strconv.Itoa(int(stat.Gid)) == u.Gid {
			allowed = info.Mode().Perm() & 0o010
		}
		if allowed == 0 {
			return fmt.Errorf("the private database runs as user %q, who cannot pass through %s (%v): `chmod o+x %s`, or choose another folder with --data",
				u.Username, dir, info.Mode(), dir)
		}
	}
	return nil
}

// parents lists a path and what is above it, the root first.
func parents(path string) []string {
	if above := filepath.Dir(path); above != path {
		return append(parents(above), path)
	}
	return []string{path}
}
