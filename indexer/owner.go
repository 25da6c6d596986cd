package indexer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"shoebox/storage"
)

// Self describes this process as an owner of leases.
func Self() (storage.Owner, error) {
	startedAt, err := processStart(os.Getpid())
	if err != nil {
		return storage.Owner{}, fmt.Errorf("find out when this process started: %w", err)
	}
	return storage.Owner{Machine: machine(), PID: os.Getpid(), StartedAt: startedAt}, nil
}

// machine names a place in which process IDs mean the same thing: a host
// and, where there are containers, a process namespace of it.
func machine() string {
	host, _ := os.Hostname()
	id, _ := os.ReadFile("/etc/machine-id")
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	// Machines cloned from one image differ in nothing but this. After a
	// reboot, leases from before end by their TTL.
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.Join([]string{host, strings.TrimSpace(string(id)), strings.TrimSpace(string(boot)), namespace}, "|")
}

// errEnded is the answer for a process that has ended but whose parent has
// not asked for its exit code yet.
var errEnded = errors.New("the process has ended")

// processStart reads field 22 of /proc/PID/stat (proc(5)): when a process
// started, in clock ticks since boot.
func processStart(pid int) (int64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// Field 2 is the program's name in parentheses and may hold spaces.
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	const afterName = 22 - 3
	if end < 0 || len(fields) <= afterName {
		return 0, fmt.Errorf("/proc/%d/stat has an unknown form", pid)
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return 0, errEnded
	}
	return strconv.ParseInt(fields[afterName], 10, 64)
}

// alive reports whether an owner on this machine is still running. One that
// cannot be looked at (another user's, behind hidepid) counts as alive.
func alive(owner storage.Owner) bool {
	started, err := processStart(owner.PID)
	switch {
	case err == nil:
		return started == owner.StartedAt
	case errors.Is(err, errEnded):
		return false
	}
	return !errors.Is(unix.Kill(owner.PID, 0), unix.ESRCH)
}

// ReleaseDead takes back the leases of processes of this machine that are
// no longer running.
func ReleaseDead(ctx context.Context, queue Queue, self storage.Owner) error {
	owners, err := queue.LeaseOwners(ctx, self.Machine)
	if err != nil {
		return fmt.Errorf("list who holds leases: %w", err)
	}
	for _, owner := range owners {
		if alive(owner) {
			continue
		}
		n, err := queue.ReleaseAll(ctx, owner)
		if err != nil {
			return fmt.Errorf("take back leases of %s: %w", owner, err)
		}
		slog.Info("took back the files of a worker that died", "pid", owner.PID, "files", n)
	}
	return nil
}
