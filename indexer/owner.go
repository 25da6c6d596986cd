package indexer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"shoebox/storage"
)

// Identity is this process as an owner of leases, and what it knows of owners
// before it.
type Identity struct {
	storage.Owner
	// earlier are the beginnings of this machine's names in the times before
	// it was started again: nothing that ran then runs now.
	earlier []string
}

// Self describes this process. Of when the machine was started it keeps a note
// in the data folder, so that leases from before are known for what they are.
func Self(dataDir string) (Identity, error) {
	startedAt, err := processStart(os.Getpid())
	if err != nil {
		return Identity{}, fmt.Errorf("find out when this process started: %w", err)
	}
	bootID, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	boot := strings.TrimSpace(string(bootID))
	boots, err := noteBoot(filepath.Join(dataDir, "boots"), boot)
	if err != nil {
		return Identity{}, fmt.Errorf("note when this machine was started: %w", err)
	}
	self := Identity{Owner: storage.Owner{Machine: machine(boot), PID: os.Getpid(), StartedAt: startedAt}}
	for _, earlier := range boots {
		self.earlier = append(self.earlier, host(earlier))
	}
	return self, nil
}

// machine names a place in which process IDs mean the same thing: a host since
// it was started and, where there are containers, a process namespace of it.
func machine(boot string) string {
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	return host(boot) + namespace
}

// host names a host since it was started. Machines cloned from one image may
// differ in nothing but that.
func host(boot string) string {
	name, _ := os.Hostname()
	id, _ := os.ReadFile("/etc/machine-id")
	return strings.Join([]string{name, strings.TrimSpace(string(id)), boot, ""}, "|")
}

// noteBoot adds a boot ID to those that a file holds, one a line, and returns
// the ones before it. Ten are enough: leases end by themselves meanwhile.
func noteBoot(path, boot string) (earlier []string, err error) {
	const keep = 10
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	earlier = strings.Fields(string(data))
	if n := len(earlier); n > 0 && earlier[n-1] == boot {
		return earlier[:n-1], nil
	}
	all := append(slices.Clone(earlier), boot)
	all = all[max(0, len(all)-keep):]
	return earlier, replaceFile(path, []byte(strings.Join(all, "\n")+"\n"))
}

// replaceFile writes a whole file or nothing.
func replaceFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(temporary, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
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

// dead reports whether the owner of leases is known to have ended. One on
// another machine never is; one that cannot be looked at (another user's, behind
// hidepid) is not, either.
func (i Identity) dead(owner storage.Owner) bool {
	if owner.Machine != i.Machine {
		return slices.ContainsFunc(i.earlier, func(host string) bool { return strings.HasPrefix(owner.Machine, host) })
	}
	started, err := processStart(owner.PID)
	switch {
	case err == nil:
		return started != owner.StartedAt
	case errors.Is(err, errEnded):
		return true
	}
	return errors.Is(unix.Kill(owner.PID, 0), unix.ESRCH)
}

// takeBackFromDead takes back the leases of processes of this machine that are
// no longer running. Whatever they held is suspect of having killed them.
func takeBackFromDead(ctx context.Context, queue Queue, self Identity) error {
	leases, err := queue.Leases(ctx)
	if err != nil {
		return fmt.Errorf("list who holds leases: %w", err)
	}
	for _, lease := range leases {
		if !self.dead(lease.Owner) {
			continue
		}
		n, err := queue.TakeBack(ctx, lease.Owner)
		if err != nil {
			return fmt.Errorf("take back leases of %s: %w", lease.Owner, err)
		}
		slog.Info("took back the files of a worker that died", "pid", lease.Owner.PID, "files", n)
	}
	return nil
}
