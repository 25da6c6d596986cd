package private_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shoebox/storage/private"
)

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

func TestAServerThatWasKilledIsRevivedByWhoeverUsesIt(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	server, err := private.Start(t.Context(), private.Config{BinDir: f.bin, DataDir: f.path})
	f.must(err)
	defer server.Close()
	f.remember(server.URL())
	for _, victim := range []struct {
		name string
		pid  func() int
	}{{"the server", f.postmaster}, {"its supervisor", f.supervisor}} {
		f.kill(victim.pid())
		var users sync.WaitGroup
		for range 3 {
			users.Go(func() {
				if err := server.Revive(t.Context()); err != nil {
					t.Errorf("after the end of %s: %v", victim.name, err)
				}
			})
		}
		users.Wait()
		f.remembered(server.URL())
	}
	before := f.postmaster()
	f.must(server.Revive(t.Context()))
	if f.postmaster() != before {
		t.Error("a server that runs was started again")
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

func TestStaleLockFilesAreNoObstacle(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*exec.Cmd){
		"of another program": func(*exec.Cmd) {},
		"of a zombie":        func(other *exec.Cmd) { _ = other.Process.Kill() },
		"of nobody":          func(other *exec.Cmd) { _ = other.Process.Kill(); _ = other.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			f.stopped()
			// A process of the server's own user, so that it can be asked for.
			other := exec.Command("sleep", "60")
			other.SysProcAttr = &syscall.SysProcAttr{Credential: f.serverUser()}
			f.must(other.Start())
			defer func() {
				_ = other.Process.Kill()
				_ = other.Wait()
			}()
			end(other)
			stale := fmt.Sprintf("%d\n%s\n1700000000\n5432\n.\n\n        0         0\nready   \n", other.Process.Pid, f.data())
			for _, file := range []string{"postmaster.pid", ".s.PGSQL.5432.lock"} {
				path := filepath.Join(f.data(), file)
				f.must(os.WriteFile(path, []byte(stale), 0o600))
				f.chown(path)
			}
			begun := time.Now()
			_, url := f.start()
			f.remembered(url)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("the start took %v", took)
			}
		})
	}
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
