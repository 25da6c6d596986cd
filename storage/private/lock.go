package private

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// errLocked says that another process holds a lock.
var errLocked = errors.New("another process holds the lock")

// tryLock opens a lock file and locks it (LOCK_SH or LOCK_EX), or returns
// errLocked at once. The lock lasts until the file is closed; no child inherits
// it.
func tryLock(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = flock(file, how|unix.LOCK_NB)
	if err == nil {
		return file, nil
	}
	file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errLocked
	}
	return nil, fmt.Errorf("locking %s: %w", path, err)
}

// lock is tryLock, again and again until ctx ends.
func lock(ctx context.Context, path string, how int) (*os.File, error) {
	for {
		file, err := tryLock(path, how)
		if !errors.Is(err, errLocked) {
			return file, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s is locked by another process: %w", path, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// flock is the system call without its interruptions.
func flock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
