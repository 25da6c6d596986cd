package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a lock is waited for before saying who holds it.
const patience = 2 * time.Second

// retryEvery is the pause between two attempts at a lock.
const retryEvery = 10 * time.Millisecond

func lockPath(dir string) string { return filepath.Join(dir, "lock") }

// tryLock takes the lock of an index's folder, LOCK_EX or LOCK_SH, or returns
// ErrLocked at once. The kernel drops it when the process ends, however.
func tryLock(dir string, how int) (*os.File, error) {
	flags := os.O_RDONLY
	if how == unix.LOCK_EX {
		flags = os.O_RDWR | os.O_CREATE
	}
	file, err := os.OpenFile(lockPath(dir), flags, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		switch err = unix.Flock(int(file.Fd()), how|unix.LOCK_NB); {
		case err == nil:
			return file, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			_ = file.Close()
			return nil, fmt.Errorf("%w: %s holds %s", ErrLocked, holder(lockPath(dir)), dir)
		default:
			_ = file.Close()
			return nil, fmt.Errorf("locking %s: %w", lockPath(dir), err)
		}
	}
}

// lockForWriting takes the lock exclusively. A reader is waited for, another
// holder is not.
func lockForWriting(dir string) (*os.File, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(retryEvery) {
		lock, err := tryLock(dir, unix.LOCK_EX)
		if !errors.Is(err, ErrLocked) {
			return lock, err
		}
		shared, sharedErr := tryLock(dir, unix.LOCK_SH)
		if sharedErr != nil {
			return nil, sharedErr
		}
		_ = shared.Close()
		if time.Now().After(deadline) {
			return nil, err
		}
	}
}

// holder names the process that has locked a file, as far as the kernel tells.
func holder(path string) string {
	const unknown = "another process"
	var stat unix.Stat_t
	if unix.Stat(path, &stat) != nil {
		return unknown
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return unknown
	}
	suffix := ":" + strconv.FormatUint(stat.Ino, 10)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 17306 fe:00:9977898 0 EOF
		f := strings.Fields(line)
		if len(f) == 8 && f[1] == "FLOCK" && strings.HasSuffix(f[5], suffix) {
			command, _ := os.ReadFile(filepath.Join("/proc", f[4], "cmdline"))
			args := strings.Split(strings.TrimRight(string(command), "\x00"), "\x00")
			return fmt.Sprintf("process %s (%q)", f[4], strings.Join(args, " "))
		}
	}
	return unknown
}

// pause waits a little, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
