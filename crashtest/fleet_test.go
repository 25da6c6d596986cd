package crashtest

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fleet are the shoebox processes on one data folder: one that watches, others
// that only work. Whichever ends is started again, as a service manager does.
type fleet struct {
	t       *testing.T
	dir     string
	program string
	env     []string
	random  *rand.Rand
	killed  map[string]int // what was killed, how often

	mu       sync.Mutex
	stopping bool
	members  []*member
	running  sync.WaitGroup
	dead     int       // members that were killed
	outage   time.Time // when the server was last killed
	outages  int       // members that ended because the server was killed while they started
	ends     []string  // members that ended though nobody killed them
}

// startLimit is how long a member may take to start. Until it has a connection
// it does not wait for the database, but says what is wrong and ends.
const startLimit = 15 * time.Second

// member is a place in the fleet.
type member struct {
	name string
	args []string
	cmd  *exec.Cmd // nil: between two lives
	born time.Time
}

// newFleet builds the program. Nothing runs yet.
func newFleet(t *testing.T, dir string, model counter, random *rand.Rand) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: dir, program: filepath.Join(dir, "shoebox"), random: random, killed: make(map[string]int)}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", f.program, "../cmd/shoebox")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// A walk tells `go test` that the sources matter. Without it, the outcome of
	// an older program would be printed again.
	for _, room := range []string{"cmd", "indexer", "captioner", "search", "storage", "migrations"} {
		walk := func(_ string, _ fs.DirEntry, err error) error { return err }
		if err := filepath.WalkDir(filepath.Join("..", room), walk); err != nil {
			t.Fatal(err)
		}
	}
	f.env = append(os.Environ(), f.mark(), "SHOEBOX_DATA="+f.data(), "DATABASE_URL=", "XDG_CONFIG_HOME="+dir)
	f.env = append(f.env, model.env()...)
	t.Cleanup(f.killEverything)
	return f
}

func (f *fleet) data() string     { return filepath.Join(f.dir, "data") }
func (f *fleet) postgres() string { return filepath.Join(f.data(), "postgres", "data") }

// mark is in the environment of whatever descends from the fleet.
func (f *fleet) mark() string { return "CRASHTEST_DIR=" + f.dir }

// start starts one that watches the roots, and others.
func (f *fleet) start(roots []string) {
	f.members = append(f.members, &member{name: "watch", args: append([]string{"watch", "--threads=1", "--quiet=1s"}, roots...)})
	for n := range *workers - 1 {
		f.members = append(f.members, &member{name: fmt.Sprint("work-", n+1), args: []string{"work", "--threads=1"}})
	}
	for _, m := range f.members {
		f.running.Go(func() { f.keep(m) })
	}
}

// keep starts a member again whenever it has ended.
func (f *fleet) keep(m *member) {
	log, err := os.Create(filepath.Join(f.dir, m.name+".log"))
	if err != nil {
		f.t.Error(err)
		return
	}
	defer log.Close()
	runtime.LockOSThread() // with which Pdeathsig ends them
	for {
		var said bytes.Buffer
		cmd := f.command(m.args...)
		cmd.Stderr = &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // if this test is interrupted
		f.mu.Lock()
		if f.stopping {
			f.mu.Unlock()
			return
		}
		if err := cmd.Start(); err != nil {
			f.mu.Unlock()
			f.t.Error(err)
			return
		}
		m.cmd, m.born = cmd, time.Now()
		f.mu.Unlock()
		_ = cmd.Wait() // how it ended is in ProcessState
		fmt.Fprintf(log, "%s%s process %d: %s\n", said.String(), time.Now().Format(time.TimeOnly), cmd.Process.Pid, cmd.ProcessState)
		f.ended(m, said.String())
	}
}

func (f *fleet) command(args ...string) *exec.Cmd {
	cmd := exec.Command(f.program, args...)
	cmd.Env = f.env
	return cmd
}

func (f *fleet) ended(m *member, said string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	status := m.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		f.dead++
	case f.stopping && m.cmd.ProcessState.Success():
	case f.outage.After(m.born) && time.Since(m.born) < startLimit && m.cmd.ProcessState.ExitCode() == 1:
		f.outages++
	default:
		said = strings.TrimSpace(said)
		f.ends = append(f.ends, fmt.Sprintf("%s %s: %s: %s", time.Now().Format(time.TimeOnly), m.name, m.cmd.ProcessState, said[max(0, len(said)-1000):]))
	}
	m.cmd = nil
}

// deaths are the members that were killed so far.
func (f *fleet) deaths() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// process is one that descends from the fleet, now or from an earlier life.
type process struct {
	pid, parent int
	what        string // a member's first argument; postgres, for the server and all its processes
}

// processes lists what runs. A server's process overwrites its environment, but
// works in the cluster's folder.
func (f *fleet) processes() []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		f.t.Fatal(err)
	}
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		read := func(name string) string {
			text, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), name))
			return string(text)
		}
		works, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd"))
		p := process{pid: pid}
		switch arguments := strings.Split(read("cmdline"), "\x00"); {
		case works == f.postgres():
			p.what = "postgres"
		case slices.Contains(strings.Split(read("environ"), "\x00"), f.mark()) && len(arguments) > 1:
			p.what = arguments[1]
		default:
			continue
		}
		_, stat, _ := strings.Cut(read("stat"), ") ") // proc(5): state, parent
		if fields := strings.Fields(stat); len(fields) > 1 && fields[0] != "Z" {
			p.parent, _ = strconv.Atoi(fields[1])
			all = append(all, p)
		}
	}
	return all
}

// kill kills one thing or, as a power cut does, all. It reports whether there was
// anything to kill.
func (f *fleet) kill() bool {
	all := f.processes()
	postgres := make(map[int]bool)
	for _, p := range all {
		postgres[p.pid] = p.what == "postgres"
	}
	one := func(is func(process) bool) []process {
		some := slices.DeleteFunc(slices.Clone(all), func(p process) bool { return !is(p) })
		if len(some) == 0 {
			return nil
		}
		return []process{some[f.random.IntN(len(some))]}
	}
	is := func(what string) func(process) bool { return func(p process) bool { return p.what == what } }
	server := func(p process) bool { return p.what == "postgres" && !postgres[p.parent] }
	child := func(p process) bool { return p.what == "postgres" && postgres[p.parent] }
	worker := func(p process) bool { return p.what == "watch" || p.what == "work" }
	chances := []struct {
		in20 int
		what string
		kill func() bool
	}{
		{5, "watch", func() bool { return f.shoot(one(is("watch"))) }},
		{4, "work", func() bool { return f.shoot(one(is("work"))) }},
		{2, "trial", func() bool { return f.shoot(one(is("trial"))) }},
		{3, "server", func() bool { return f.shoot(one(server)) }},
		{1, "server's child", func() bool { return f.shoot(one(child)) }},
		{2, "supervisor", func() bool { return f.shoot(one(is("postgres-supervisor"))) }},
		{1, "worker and server", func() bool { return f.shoot(slices.Concat(one(worker), one(server))) }},
		{2, "everything", func() bool { f.killEverything(); return len(all) > 0 }},
	}
	at := f.random.IntN(20)
	for _, chance := range chances {
		if at -= chance.in20; at >= 0 {
			continue
		}
		if chance.kill() {
			f.killed[chance.what]++
			return true
		}
		break
	}
	// There is none of it now.
	if f.shoot(one(worker)) {
		f.killed["some worker"]++
		return true
	}
	return false
}

// shoot kills processes and reports whether there were any.
func (f *fleet) shoot(victims []process) bool {
	for _, v := range victims {
		if v.what == "postgres" || v.what == "postgres-supervisor" {
			f.mu.Lock()
			f.outage = time.Now()
			f.mu.Unlock()
		}
		_ = syscall.Kill(v.pid, syscall.SIGKILL) // it may have ended meanwhile
	}
	return len(victims) > 0
}

// killEverything stops all processes first, so that none sees another die.
func (f *fleet) killEverything() {
	stopped := make(map[int]bool)
	for before := -1; before < len(stopped); {
		before = len(stopped)
		for _, p := range f.processes() {
			_ = syscall.Kill(p.pid, syscall.SIGSTOP)
			stopped[p.pid] = true
		}
	}
	for pid := range stopped {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// stop asks all members to end, which they have to do within 10 s.
func (f *fleet) stop() {
	f.mu.Lock()
	f.stopping = true
	for _, m := range f.members {
		if m.cmd != nil {
			_ = m.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	f.mu.Unlock()
	asked := time.Now()
	f.running.Wait()
	if took := time.Since(asked); took > 11*time.Second {
		f.t.Errorf("the workers ended %s after SIGTERM", took)
	}
}

// checkGone checks that nothing is left running once its last user has gone.
func (f *fleet) checkGone() {
	f.t.Helper()
	var left []process
	for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		if left = f.processes(); len(left) == 0 {
			break
		}
	}
	for _, p := range left {
		f.t.Errorf("%s, process %d, is an orphan", p.what, p.pid)
	}
	for _, lock := range []string{"postmaster.pid", ".s.PGSQL.5432.lock"} {
		if _, err := os.Stat(filepath.Join(f.postgres(), lock)); err == nil {
			f.t.Errorf("the server left %s", lock)
		}
	}
}

// checkVerify has shoebox look for itself, which no lock may hinder.
func (f *fleet) checkVerify(roots []string) {
	f.t.Helper()
	for _, args := range [][]string{{"verify"}, append([]string{"index"}, roots...)} {
		cmd := f.command(args...)
		out, err := cmd.CombinedOutput()
		code := cmd.ProcessState.ExitCode()
		if again := strings.Contains(string(out), " 0 captioned now"); code != 0 && code != 3 || args[0] == "verify" && code != 0 || args[0] == "index" && !again {
			f.t.Errorf("shoebox %q: %v\n%s", args, err, out)
		}
	}
}
