package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"shoebox/storage/private"
)

// running is a command that works in the background.
type running struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr transcript
	ended          chan struct{}
}

// transcript is what a command prints, as it prints it.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

func (l *testLibrary) begin(cmd *exec.Cmd) *running {
	l.t.Helper()
	r := &running{t: l.t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	// One that hangs says where.
	tooLong := time.AfterFunc(4*time.Minute, func() { cmd.Process.Signal(syscall.SIGQUIT) })
	go func() { cmd.Wait(); tooLong.Stop(); close(r.ended) }()
	return r
}

// await waits for something to happen while the command runs.
func (r *running) await(what string, happened func() bool) {
	r.t.Helper()
	for limit := time.Now().Add(2 * time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-r.ended:
			r.t.Fatalf("it ended before %s\n%s%s", what, r.stdout.String(), r.stderr.String())
		default:
		}
		if time.Now().After(limit) {
			r.t.Fatalf("waited in vain for %s\n%s", what, r.stderr.String())
		}
	}
}

func (r *running) says(text string) func() bool {
	return func() bool { return strings.Contains(r.stderr.String(), text) }
}

// captionedOnce waits for the end of an `index` that must have captioned all
// photos, each of them once.
func (r *running) captionedOnce(photos int) {
	r.t.Helper()
	<-r.ended
	want := fmt.Sprintf("%d pictures, %d captioned now", photos, photos)
	if code := r.cmd.ProcessState.ExitCode(); code != exitDone || !strings.Contains(r.stdout.String(), want) {
		r.t.Errorf("exit code %d, want %q\n%s%s", code, want, r.stdout.String(), r.stderr.String())
	}
}

// postmaster is the process of the private database; 0: there is none.
func (l *testLibrary) postmaster() int {
	data := filepath.Join(l.data, "postgres", "data")
	text, _ := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first)
	// The file may be an old one, and the process another's.
	if works, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || works != data {
		return 0
	}
	return pid
}

// supervisor is the parent of the private database; 0: there is none.
func (l *testLibrary) supervisor() int {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.postmaster()))
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	command, _ := os.ReadFile("/proc/" + fields[1] + "/cmdline")
	if !strings.Contains(string(command), private.SupervisorCommand) {
		return 0
	}
	pid, _ := strconv.Atoi(fields[1])
	return pid
}

// captioning reports whether the model is loaded, so that captions are under
// way: the runtime's library is mapped.
func (r *running) captioning() bool {
	maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.cmd.Process.Pid))
	return strings.Contains(string(maps), "libonnxruntime")
}

func newRandom(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestAPrivateDatabaseThatIsKilledIsStartedAgainAndTheRunGoesOn(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	const photos = 150
	writeLibrary(t, root, photos)
	random := newRandom(t)
	run := l.begin(l.command(t.Context(), "index", root))
	run.await("captions", run.captioning)
	for i := range 4 {
		victim := l.postmaster()
		if i%2 == 1 {
			victim = l.supervisor() // which takes it along
		}
		if victim != 0 {
			syscall.Kill(victim, syscall.SIGKILL)
		}
		select {
		case <-run.ended: // a fast machine
		case <-time.After(time.Duration(200+random.IntN(1500)) * time.Millisecond):
		}
	}
	run.captionedOnce(photos)
	l.checkWhole(photos)
}

// external is a database server of somebody else's, reached through a network
// that a test can break.
type external struct {
	*testLibrary // whose private server it is
	socket       string
	proxy        *proxy
}

func newExternal(t *testing.T) *external {
	t.Helper()
	e := &external{testLibrary: newTestLibrary(t)}
	e.must(exitDone, "migrate")
	e.socket = filepath.Join(e.data, "postgres", "data", ".s.PGSQL.5432")
	// It runs for as long as somebody uses it.
	lock, err := os.Open(filepath.Join(e.data, "postgres", "users.lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	e.must(exitDone, "status") // should it have stopped before the lock
	e.sql("CREATE ROLE admin SUPERUSER LOGIN; CREATE ROLE client LOGIN IN ROLE shoebox")
	e.proxy = newProxy(t, e.socket)
	return e
}

// client is a library of another machine on this database.
func (e *external) client() *testLibrary {
	l := newTestLibrary(e.t)
	l.database = "postgres://client@" + e.proxy.listener.Addr().String() + "/shoebox?sslmode=disable"
	return l
}

func TestConnectionsThatAreCutAtRandomLoseNothingAndCaptionNothingTwice(t *testing.T) {
	t.Parallel()
	e := newExternal(t)
	l := e.client()
	root := t.TempDir()
	const photos = 150
	writeLibrary(t, root, photos)
	random := newRandom(t)
	run := l.begin(l.command(t.Context(), "index", root))
	run.await("captions", run.captioning)
	// Not for ever: on a busy machine a commit may take longer than a connection
	// lasts here.
	for range 25 {
		switch random.IntN(4) {
		case 0:
			e.proxy.mu.Lock()
			e.proxy.loseCommits = 1 + random.IntN(3)
			e.proxy.mu.Unlock()
		case 1:
			e.proxy.refuse(true)
			time.AfterFunc(time.Duration(random.IntN(800))*time.Millisecond, func() { e.proxy.refuse(false) })
		default:
			e.proxy.cut()
		}
		select {
		case <-run.ended:
		case <-time.After(time.Duration(200+random.IntN(1000)) * time.Millisecond):
		}
	}
	e.proxy.refuse(false)
	run.captionedOnce(photos)
	e.proxy.mu.Lock()
	e.proxy.loseCommits = 0
	t.Logf("%d answers to a COMMIT were lost", e.proxy.lost)
	e.proxy.mu.Unlock()
	l.checkWhole(photos)
}

func TestCommitsWhoseAnswersAreLostCount(t *testing.T) {
	t.Parallel()
	e := newExternal(t)
	l := e.client()
	root := t.TempDir()
	const photos = 100
	writeLibrary(t, root, photos)
	run := l.begin(l.command(t.Context(), "index", root))
	run.await("captions", run.captioning)
	e.proxy.mu.Lock()
	e.proxy.loseCommits = 6 // the repetitions, too
	e.proxy.mu.Unlock()
	run.captionedOnce(photos)
	e.proxy.mu.Lock()
	if e.proxy.lost != 6 {
		t.Errorf("%d answers were lost, want 6", e.proxy.lost)
	}
	e.proxy.mu.Unlock()
	l.checkWhole(photos)
}

func TestAServerThatIsAwayIsWaitedForAndSaidOnce(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]struct{ begin, end func(*external) }{
		"it is restarted": {
			func(e *external) {
				pid := e.postmaster()
				if pid == 0 {
					e.t.Fatal("there is no server")
				}
				syscall.Kill(pid, syscall.SIGKILL)
			},
			func(e *external) { e.must(exitDone, "status") },
		},
		"it cannot be reached": {
			func(e *external) { e.proxy.refuse(true) },
			func(e *external) { e.proxy.refuse(false) },
		},
		"it is read-only": {
			func(e *external) { e.sql("ALTER DATABASE shoebox SET default_transaction_read_only = on") },
			func(e *external) { e.sql("ALTER DATABASE shoebox RESET default_transaction_read_only") },
		},
		"it has too many connections": {
			func(e *external) { e.sql("ALTER ROLE client CONNECTION LIMIT 0") },
			func(e *external) { e.sql("ALTER ROLE client CONNECTION LIMIT -1") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExternal(t)
			l := e.client()
			root := t.TempDir()
			const photos = 100
			writeLibrary(t, root, photos)
			run := l.begin(l.command(t.Context(), "index", root))
			run.await("captions", run.captioning)
			outage.begin(e)
			e.proxy.cut() // settings count for new connections
			run.await("a word on the outage", run.says("waiting for the database"))
			outage.end(e)
			run.captionedOnce(photos)
			if said := run.stderr.String(); strings.Count(said, "msg=\"waiting for the database") != 1 || strings.Count(said, "no longer waiting") != 1 {
				t.Errorf("it says\n%s", said)
			}
			l.checkWhole(photos)
		})
	}
}

func TestInterruptedDuringAnOutageItEndsInTime(t *testing.T) {
	t.Parallel()
	e := newExternal(t)
	l := e.client()
	root := t.TempDir()
	const photos = 100
	writeLibrary(t, root, photos)
	run := l.begin(l.command(t.Context(), "index", root))
	run.await("captions", run.captioning)
	e.proxy.refuse(true)
	run.await("a word on the outage", run.says("waiting for the database"))
	run.cmd.Process.Signal(syscall.SIGTERM)
	interrupted := time.Now()
	<-run.ended
	if took := time.Since(interrupted); took > 12*time.Second {
		t.Errorf("it took %s to end", took)
	}
	if code := run.cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d\n%s", code, run.stderr.String())
	}
	e.proxy.refuse(false)
	l.must(exitDone, "index", root)
	l.checkWhole(photos)
}

func TestACommandThatFindsNoDatabaseSaysSoAtOnce(t *testing.T) {
	e := newExternal(t)
	l := e.client()
	e.proxy.refuse(true)
	for _, args := range [][]string{{"status"}, {"index", t.TempDir()}} {
		began := time.Now()
		out := l.must(exitFailed, args...)
		if took := time.Since(began); took > 8*time.Second || !strings.Contains(out.stderr, "127.0.0.1") {
			t.Errorf("%q took %s and says %s", args, took, out.stderr)
		}
	}
}

// sql runs a statement on the server itself, as somebody whom its limits do not
// concern.
func (e *external) sql(statement string) {
	e.t.Helper()
	folder := url.QueryEscape(filepath.Dir(e.socket))
	for _, user := range []string{"admin", "shoebox"} { // the first time, there is no admin yet
		conn, err := pgx.Connect(e.t.Context(), "postgres://"+user+"@/postgres?sslmode=disable&host="+folder)
		if err != nil {
			continue
		}
		_, err = conn.Exec(e.t.Context(), statement)
		if err = errors.Join(err, conn.Close(e.t.Context())); err != nil {
			e.t.Fatalf("%s: %v", statement, err)
		}
		return
	}
	e.t.Fatalf("nobody can connect for %s", statement)
}
