package private_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shoebox/storage/private"
)

func TestServerIsSharedAndStopsAfterItsLastUser(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	first, url := f.start()
	f.remember(url)
	server := f.postmaster()
	second, again := f.start()
	if f.postmaster() != server || again != url {
		t.Fatalf("the second process got server %d at %s, not %d at %s", f.postmaster(), again, server, url)
	}
	f.leave(first)
	f.remembered(again)
	f.leave(second)

	third, again := f.start() // within the time of grace
	if f.postmaster() != server {
		t.Fatal("the server did not wait for the next command")
	}
	f.remembered(again)
	f.leave(third)
	f.await("the server to stop in good order", func() bool { return strings.Contains(f.log(), "database system is shut down") })
	_, url = f.start()
	f.remembered(url)
}

func TestServerLivesInOneProcessUntilClosed(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	server, err := private.Start(t.Context(), private.Config{BinDir: f.bin, DataDir: f.path})
	f.must(err)
	time.Sleep(5 * time.Second) // longer than the time of grace
	f.remember(server.URL())
	f.must(server.Close())
	f.must(server.Close())
	f.await("the server to stop", func() bool { return f.postmaster() == 0 })
}

func TestServerKeepsDurabilityAndNoNetwork(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	_, url := f.start()
	for setting, want := range map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "max_connections": "100", "TimeZone": "UTC",
	} {
		if got := f.query(url, "SHOW "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := f.query(url, "SELECT upper('é') || lower('Σ') || current_user || current_database()"); got != "Éσshoeboxshoebox" {
		t.Errorf("letters, user and database are %q", got)
	}
	for _, path := range []string{f.data(), filepath.Join(f.data(), ".s.PGSQL.5432")} {
		info, err := os.Stat(path)
		f.must(err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("others can enter %s: %v", path, info.Mode())
		}
	}
}

func TestServerIgnoresPostgresVariables(t *testing.T) {
	t.Setenv("PGHOST", "/nowhere")
	t.Setenv("PGPORT", "1")
	t.Setenv("PGUSER", "stranger")
	t.Setenv("PGDATA", "/nowhere")
	t.Setenv("PGSSLMODE", "verify-full")
	f := newFolder(t)
	_, url := f.start()
	f.remember(url)
}

func TestTwoStartersGetOneServer(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	var processes []*process
	for range 4 {
		processes = append(processes, f.begin())
	}
	for _, p := range processes {
		if url := p.says(); !strings.HasPrefix(url, "postgres://") {
			t.Errorf("no URL but %q", url)
		}
	}
	if n := strings.Count(f.log(), "starting PostgreSQL"); n != 1 {
		t.Errorf("%d servers were started:\n%s", n, f.log())
	}
}

func TestKilledStarterTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	first, url := f.start()
	f.remember(url)
	second, _ := f.start()
	f.kill(first.Process.Pid)
	time.Sleep(4 * time.Second) // longer than the time of grace
	f.remembered(url)
	f.kill(second.Process.Pid)
	f.await("the server to stop", func() bool { return f.postmaster() == 0 })
}

func TestKilledSupervisorStopsTheServerAndTheNextStartWorks(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	_, url := f.start()
	f.remember(url)
	before, supervisor := f.postmaster(), f.supervisor()
	f.kill(supervisor)
	f.await("the supervisor to be gone", func() bool { return syscall.Kill(supervisor, 0) != nil })
	_, url = f.start() // at once, while the old server stops
	f.remembered(url)
	if f.postmaster() == before {
		t.Error("a server without a supervisor was adopted")
	}
	if !strings.Contains(f.log(), "received fast shutdown request") || strings.Contains(f.log(), "not properly shut down") {
		t.Errorf("the server did not stop in good order:\n%s", f.log())
	}
}

func TestKilledServerIsRecovered(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	_, url := f.start()
	f.remember(url)
	f.kill(f.postmaster())
	_, url = f.start() // at once, while the supervisor and its children go
	f.remembered(url)
	if !strings.Contains(f.log(), "not properly shut down; automatic recovery") {
		t.Errorf("nothing was recovered:\n%s", f.log())
	}
}

func TestEverythingKilledAtOnceIsRecovered(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	first, url := f.start()
	f.remember(url)
	supervisor, server := f.supervisor(), f.postmaster()
	f.kill(server)
	f.kill(supervisor)
	f.kill(first.Process.Pid)
	_, url = f.start()
	f.remembered(url)
}

func TestStalePidFileOfAnotherProgramIsNoObstacle(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.stopped()
	// A process of the server's own user that has nothing to do with it.
	other := exec.Command("sleep", "60")
	other.SysProcAttr = &syscall.SysProcAttr{Credential: f.serverUser()}
	f.must(other.Start())
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	pidFile := filepath.Join(f.data(), "postmaster.pid")
	stale := fmt.Sprintf("%d\n%s\n1700000000\n5432\n.\n\n        0         0\nready   \n", other.Process.Pid, f.data())
	f.must(os.WriteFile(pidFile, []byte(stale), 0o600))
	f.chown(pidFile)
	_, url := f.start()
	f.remembered(url)
	f.must(other.Process.Signal(syscall.Signal(0)))
}

func TestInterruptedInitdbIsDoneAgain(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	p := f.begin()
	pattern := filepath.Join(f.path, "postgres", "data.init-*")
	f.await("initdb to begin", func() bool {
		begun, _ := filepath.Glob(filepath.Join(pattern, "base"))
		return begun != nil
	})
	for _, pid := range processesNaming(t, filepath.Join(f.path, "postgres", "data.init-"), f.path) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	f.kill(p.Process.Pid)
	if _, err := os.Stat(f.data()); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("half a cluster has the name of a whole one: %v", err)
	}
	_, url := f.start()
	f.remember(url)
	if left, _ := filepath.Glob(pattern); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// processesNaming lists the processes whose command line holds one of the texts.
func processesNaming(t *testing.T, texts ...string) []int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, path := range lines {
		line, _ := os.ReadFile(path)
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(string(line), text) }) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			found = append(found, pid)
		}
	}
	return found
}

func TestClusterOfAnotherMajorVersionIsRefused(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.stopped()
	path := filepath.Join(f.data(), "PG_VERSION")
	f.must(os.WriteFile(path, []byte("17\n"), 0o600))
	why := f.refusal()
	for _, want := range []string{"PostgreSQL 17", "PostgreSQL 18", f.data(), "backup", "restore"} {
		if !strings.Contains(why, want) {
			t.Errorf("%q does not say %q", why, want)
		}
	}
	f.must(os.WriteFile(path, []byte("18\n"), 0o600))
	_, url := f.start()
	f.remembered(url)
}

func TestFailedStartSaysTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.stopped()
	config := filepath.Join(f.data(), "postgresql.auto.conf")
	f.must(os.WriteFile(config, []byte("no_such_setting = 'on'\n"), 0o600))
	begun := time.Now()
	why := f.refusal()
	if !strings.Contains(why, `unrecognized configuration parameter "no_such_setting"`) || !strings.Contains(why, "postgres.log") {
		t.Errorf("%q does not say what the server said", why)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v to fail", took)
	}
}

func TestFullDiskFailsWithWhatPostgresSaid(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	f := newFolder(t)
	f.must(os.Mkdir(f.path, 0o755))
	if err := syscall.Mount("tmpfs", f.path, "tmpfs", 0, "size=24m,mode=755"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	defer func() { _ = syscall.Unmount(f.path, syscall.MNT_DETACH) }()
	why := f.refusal()
	if !strings.Contains(why, "No space left on device") {
		t.Errorf("%q does not say that the disk is full", why)
	}
	if _, err := os.Stat(f.data()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a cluster is there: %v", err)
	}
}

func TestDataFolderWithALongOrOddName(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"longer than a socket's address": strings.Repeat("long/", 40) + "data",
		"with spaces and quotes":         `my "photos" & 50% [old] 'x' + y`,
		"with a comma":                   "one,two",
		"that is not UTF-8":              "caf\xe9",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			f.path = filepath.Join(filepath.Dir(f.path), dir)
			_, url := f.start()
			f.remember(url)
			_, url = f.start()
			f.remembered(url)
		})
	}
}

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

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := private.Start(ctx, private.Config{BinDir: f.bin, DataDir: f.path}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestProgramThatForgotTheSupervisorDoesNotStartItselfForEver(t *testing.T) {
	f := newFolder(t)
	t.Setenv("SHOEBOX_POSTGRES_SUPERVISOR", "1") // what a supervisor is started with
	_, err := private.Start(t.Context(), private.Config{BinDir: f.bin, DataDir: f.path})
	if err == nil || !strings.Contains(err.Error(), "private.SupervisorMain") {
		t.Errorf("got %v", err)
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.bin = filepath.Join(filepath.Dir(f.path), "nothing")
	if why := f.refusal(); !strings.Contains(why, filepath.Join(f.bin, "postgres")) {
		t.Errorf("%q does not name the program", why)
	}
}

// stopped makes a cluster that remembers something and is not running.
func (f *folder) stopped() {
	f.Helper()
	p, url := f.start()
	f.remember(url)
	f.leave(p)
	f.await("the server to stop", func() bool { return f.postmaster() == 0 })
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
