package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shoebox/storage/storagetest"
)

// daemon is a shoebox process that goes on until it is stopped.
type daemon struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func (l *testLibrary) daemon(args ...string) *daemon {
	l.t.Helper()
	d := &daemon{t: l.t, cmd: l.command(context.Background(), args...)}
	d.cmd.Stdout, d.cmd.Stderr = &d.stdout, &d.stderr
	if err := d.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { d.cmd.Process.Kill(); d.cmd.Wait() })
	return d
}

// stop asks it to end, which it has to do in time, and returns what it printed.
func (d *daemon) stop() string {
	d.t.Helper()
	d.cmd.Process.Signal(syscall.SIGTERM)
	asked := time.Now()
	d.cmd.Wait()
	if took := time.Since(asked); took > 11*time.Second {
		d.t.Errorf("it ended %s after SIGTERM", took)
	}
	if code := d.cmd.ProcessState.ExitCode(); code != exitDone {
		d.t.Errorf("exit code %d after SIGTERM\n%s%s", code, d.stdout.String(), d.stderr.String())
	}
	return d.stdout.String()
}

// await waits until the library's status is as wanted.
func (l *testLibrary) await(what string, reached func(statusReport) bool) statusReport {
	l.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		s := l.status()
		if reached(s) {
			return s
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: never; status is %+v", what, s)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

func TestManyWorkersOnOneDatabaseCaptionNothingTwice(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	const photos = 200
	writeLibrary(t, root, photos)
	l.must(exitDone, "status") // makes the database

	var workers []*daemon
	for range 3 {
		workers = append(workers, l.daemon("work", "--threads=1"))
	}
	out := l.must(exitDone, "index", "--threads=1", root)
	l.checkWhole(photos)
	var pictures, total int
	if _, err := fmt.Sscanf(out.stdout, "%d pictures, %d captioned", &pictures, &total); err != nil {
		t.Fatalf("%v in %q", err, out.stdout)
	}
	busy := 0
	for _, worker := range workers {
		var n, failed int
		said := worker.stop()
		if _, err := fmt.Sscanf(said, "%d photos captioned, %d failed", &n, &failed); err != nil || failed != 0 {
			t.Fatalf("%v in %q", err, said)
		}
		total += n
		if n > 0 {
			busy++
		}
	}
	if total != photos || busy == 0 {
		t.Errorf("%d captions were computed for %d photos, %d of the workers had a part in it", total, photos, busy)
	}
}

// secondModel writes the shipped model under another hash: a comment is added to
// the graph.
func secondModel(t *testing.T) string {
	t.Helper()
	shipped, dir := filepath.Join("..", "..", "captioner", "model"), t.TempDir()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(shipped, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	const comment = "second"
	// Field 6 of ONNX's ModelProto, doc_string, of length 6.
	graph := append(read("model.onnx"), append([]byte{6<<3 | 2, byte(len(comment))}, comment...)...)
	var info map[string]any
	if err := json.Unmarshal(read("model.json"), &info); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(graph)
	sums := info["sha256"].(map[string]any)
	sums["model.onnx"], info["name"] = hex.EncodeToString(hash[:]), comment
	delete(sums, "model-int8.onnx")
	delete(info, "cpu_precision")
	text, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "model.onnx"), graph)
	writeFile(t, filepath.Join(dir, "model.json"), text)
	for _, name := range []string{"vocabulary.txt", "words.tsv", "classes.txt"} {
		writeFile(t, filepath.Join(dir, name), read(name))
	}
	return dir
}

func TestAnotherMachineWritesNewCaptionsWhereTheFolderIsMounted(t *testing.T) {
	t.Parallel()
	database := storagetest.Server(t)
	first, second := newTestLibrary(t), newTestLibrary(t)
	first.database, second.database = database, database
	first.must(exitDone, "migrate")
	stored := filepath.Join(t.TempDir(), "volume1")
	const photos = 40
	writeLibrary(t, stored, photos)
	first.must(exitDone, "index", stored)

	model := secondModel(t)
	if out := first.must(exitDone, "recaption", "--older-than-model", "--model="+model); !strings.HasPrefix(out.stdout, fmt.Sprint(photos)) {
		t.Errorf("recaption says %q", out.stdout)
	}
	if s := first.status(); s.Files.Pending != photos || s.Photos != photos || s.Older != 0 {
		t.Errorf("queued for a new caption: %+v, %d photos, %d older", s.Files, s.Photos, s.Older)
	}
	// On the second machine there is nothing but an empty mount point at
	// the path that the first one knows.
	local := filepath.Join(t.TempDir(), "mnt")
	if err := os.Rename(stored, local); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(stored, 0o755); err != nil {
		t.Fatal(err)
	}
	blind := second.daemon("work", "--model="+model)
	second.await("a worker that sees nothing is at work", func(statusReport) bool {
		_, err := os.Stat(filepath.Join(second.data, "boots")) // which it notes when it begins
		return err == nil
	})
	time.Sleep(time.Second) // for what does not happen
	if s := second.status(); s.Files.Pending != photos || s.Files.Missing != 0 {
		t.Errorf("with an empty mount point: %+v", s.Files)
	}
	blind.stop()

	second.must(exitFailed, "folders", "map", stored+"/typo", local)
	second.must(exitFailed, "folders", "map", stored, local+"/typo")
	second.must(exitDone, "folders", "map", stored, local)
	if out := second.must(exitDone, "folders"); strings.TrimSpace(out.stdout) != local {
		t.Errorf("folders says %q, want %s", out.stdout, local)
	}
	worker := second.daemon("work", "--model="+model)
	s := second.await("all are captioned", func(s statusReport) bool { return s.Files.Done == photos })
	if len(s.Models) != 2 || s.Models[0].Name != "second" || s.Models[0].Captions != photos || s.Models[1].Captions != 0 {
		t.Errorf("models are %+v", s.Models)
	}
	if len(s.Workers) == 0 || s.PerSecond <= 0 {
		t.Errorf("status sees %+v at %.1f a second", s.Workers, s.PerSecond)
	}
	if said := worker.stop(); !strings.HasPrefix(said, fmt.Sprint(photos)) {
		t.Errorf("the worker says %q", said)
	}
	// The first machine still knows the folder by its own path.
	if out := first.must(exitDone, "folders"); strings.TrimSpace(out.stdout) != stored {
		t.Errorf("on the first machine folders says %q", out.stdout)
	}
	second.must(exitDone, "folders", "map", stored, stored)
	if out := second.must(exitDone, "folders"); strings.TrimSpace(out.stdout) != stored {
		t.Errorf("after taking it back folders says %q", out.stdout)
	}
}

func TestASecondInterruptEndsAtOnce(t *testing.T) {
	l := newTestLibrary(t)
	root := t.TempDir()
	writeLibrary(t, root, 500)
	l.must(exitDone, "status") // makes the database
	cmd := l.command(context.Background(), "index", root)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	l.await("it is at work", func(s statusReport) bool { return s.Files.Leased > 0 })
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	cmd.Process.Signal(syscall.SIGINT)
	interrupted := time.Now()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-time.After(50 * time.Millisecond): // two at once are one
			cmd.Process.Signal(syscall.SIGINT)
		}
	}
	if took := time.Since(interrupted); took > 3*time.Second {
		t.Errorf("it ended %s after the first interrupt", took)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v, want by the signal\n%s", cmd.ProcessState, stderr.String())
	}
}

func TestFailuresThatMayPassAreTriedAgainByThemselves(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	l.unprivileged()
	root := filepath.Join(filepath.Dir(l.data), "photos")
	writeFile(t, filepath.Join(root, "good.jpg"), readSample(t, "grace_hopper.jpg"))
	writeFile(t, filepath.Join(root, "text.jpg"), []byte("Dear diary"))
	shut := filepath.Join(root, "shut.jpg")
	writeFile(t, shut, readSample(t, "astronaut.jpg"))
	if err := os.Chmod(shut, 0); err != nil {
		t.Fatal(err)
	}
	out := l.must(exitSomeFailed, "index", root)
	if !strings.Contains(out.stdout, "1 of them wait to be tried again") {
		t.Errorf("index says\n%s", out.stdout)
	}
	for _, f := range lines[failureLine](t, l.must(exitDone, "failures", "--json").stdout) {
		switch f.Code {
		case "io":
			if f.Attempts != 2 || f.RetryAt == nil || time.Until(*f.RetryAt) > time.Minute {
				t.Errorf("the unreadable file was tried %d times, next %v", f.Attempts, f.RetryAt)
			}
		case "not-a-picture":
			if f.Attempts != 1 || f.RetryAt != nil {
				t.Errorf("the text was tried %d times, next %v", f.Attempts, f.RetryAt)
			}
		default:
			t.Errorf("%+v", f)
		}
	}
	s := l.status()
	if s.Files.Retrying != 1 || len(s.Failures) != 2 {
		t.Errorf("files %+v, failures %+v", s.Files, s.Failures)
	}
	if out := l.must(exitDone, "failures"); !strings.Contains(out.stdout, "1 io, 1 of them are tried again by themselves") ||
		!strings.Contains(out.stdout, "1 not-a-picture") || !strings.Contains(out.stdout, "2 attempts") {
		t.Errorf("failures says\n%s", out.stdout)
	}

	l.must(exitUsage, "failures", shut)
	if out := l.must(exitDone, "failures", "--retry", filepath.Join(root, "nothing"), shut); !strings.HasPrefix(out.stderr, "1 files") {
		t.Errorf("failures --retry PATH says %q", out.stderr)
	}
	if err := os.Chmod(shut, 0o644); err != nil {
		t.Fatal(err)
	}
	l.must(exitSomeFailed, "index", root)
	if got := l.failures(root); len(got) != 1 || got["text.jpg"] != "not-a-picture" {
		t.Errorf("in the end failures are %v", got)
	}
}

func TestUntilIsTheNextTimeTheClockShowsIt(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, berlin) }
	for _, test := range []struct {
		clock     string
		now, want time.Time
	}{
		{"07:00", at(10, 23, 15), at(11, 7, 0)},
		{"23:30", at(10, 23, 15), at(10, 23, 30)},
		{"23:15", at(10, 23, 15), at(11, 23, 15)},
		{"07:00", at(28, 23, 0), at(29, 7, 0)}, // clocks go forward at two
		{"0:05", at(31, 23, 0), time.Date(2026, 4, 1, 0, 5, 0, 0, berlin)},
		{"", at(10, 0, 0), time.Time{}},
	} {
		if got, err := nextTime(test.clock, test.now); err != nil || !got.Equal(test.want) {
			t.Errorf("%s after %s is %s, want %s (%v)", test.clock, test.now, got, test.want, err)
		}
	}
	for _, clock := range []string{"7", "24:00", "07:60", "tomorrow"} {
		if got, err := nextTime(clock, time.Now()); err == nil {
			t.Errorf("%s was read as %s", clock, got)
		}
	}
}
