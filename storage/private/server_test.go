package private_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
