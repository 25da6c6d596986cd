package search

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"shoebox/storage"
)

// The test binary runs itself as another process, which does one of these.
const (
	childVariable = "SHOEBOX_SEARCH_TEST_CHILD"
	childProjects = "projects"      // projects childFeed, photo by photo changed
	childChanges  = "changes"       // projects changingFeed
	childRebuilds = "rebuilds"      // projects childFeed and rebuilds for ever
	childServes   = "serves"        // projects and serves
	childHolds    = "holds"         // locks the folder and does nothing
	childReads    = "reads"         // opens read-only and does nothing
	childHasBolt  = "has bolt open" // opens a file of Bleve's as other programs may
)

func TestMain(m *testing.M) {
	if what := os.Getenv(childVariable); what != "" {
		if err := child(what, os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Children that are killed leave their sockets behind.
	runtime, err := os.MkdirTemp("", "shoebox")
	if err == nil {
		err = os.Setenv("XDG_RUNTIME_DIR", runtime)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(runtime)
	os.Exit(code)
}

// childPhotos is of how many photos childChanges has a feed.
const childPhotos = 3000

// firstFeed is what childFeed was at first.
func firstFeed() *fakeFeed {
	feed := newFakeFeed()
	numbered(feed, 0, 3000)
	return feed
}

// childFeed is what children project: some photos change and some leave.
func childFeed() *fakeFeed {
	feed := firstFeed()
	for i := 0; i < 3000; i += 3 {
		feed.put(photo(strconv.Itoa(i), "A cat."), "/moved")
	}
	for i := 1; i < 3000; i += 3 {
		feed.put(photo(strconv.Itoa(i), "A dog."))
	}
	return feed
}

// smallPages is a feed in many pages: kills meet many batches.
type smallPages struct{ *fakeFeed }

func (f smallPages) Changes(ctx context.Context, after storage.Cursor, limit int) (storage.Changes, error) {
	return f.fakeFeed.Changes(ctx, after, min(limit, 100))
}

func child(what, dir string) error {
	ctx := context.Background()
	ready := func() { fmt.Println("ready") }
	switch what {
	case childHolds, childReads:
		how := map[string]int{childHolds: unix.LOCK_EX, childReads: unix.LOCK_SH}[what]
		if _, err := tryLock(dir, how); err != nil {
			return err
		}
		ready()
		select {}
	case childHasBolt:
		if _, err := bbolt.Open(dir, 0o600, nil); err != nil {
			return err
		}
		ready()
		time.Sleep(time.Hour)
	}
	feed := childFeed()
	if what == childChanges {
		feed = changingFeed(childPhotos)
	}
	feed.before = func() error { // gives kills a chance between batches
		time.Sleep(40 * time.Millisecond)
		return nil
	}
	ready()
	ix, err := OpenWriter(dir)
	if err != nil {
		return err
	}
	var followed Feed = feed
	if what == childProjects || what == childChanges {
		followed = smallPages{feed}
	}
	if _, err := ix.Project(ctx, followed); err != nil {
		return err
	}
	switch what {
	case childRebuilds:
		for err == nil {
			_, err = ix.Rebuild(ctx, feed)
		}
	case childServes:
		err = ix.Serve(ctx, feed)
	}
	return err
}

// start runs a child until it is ready. Its kill is kill -9.
func start(t *testing.T, what, dir string) (process *os.Process, kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, dir)
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	return cmd.Process, kill
}

// openRemote waits for a child that serves. The test closes it.
func openRemote(t *testing.T, dir string) *remote {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(retryEvery) {
		s, err := Open(t.Context(), dir)
		if r, ok := s.(*remote); ok {
			return r
		}
		if err == nil {
			_ = s.Close()
		}
	}
	t.Fatal("nobody serves")
	return nil
}

func TestKilledWhileProjectingTheNextGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process many times")
	}
	dir, feed := t.TempDir(), childFeed()
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	if _, err := CatchUp(t.Context(), dir, firstFeed()); err != nil {
		t.Fatal(err)
	}
	kept, stops := uint64(3000), []uint64{}
	for range 8 {
		_, kill := start(t, childProjects, dir)
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		kill()
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		info, err := s.Info(t.Context())
		if err != nil || info.Cursor.XID < kept {
			t.Fatalf("after a kill the cursor is at %d, %v; it was at %d", info.Cursor.XID, err, kept)
		}
		kept = info.Cursor.XID
		stops = append(stops, kept)
		_ = s.Close()
	}
	t.Logf("killed at the changes %v of %d", stops, feed.changed)
	if n, err := CatchUp(t.Context(), dir, feed); err != nil || n != feed.after(kept) {
		t.Fatalf("CatchUp() = %d, %v; want the %d changes after %d", n, err, feed.after(kept), kept)
	}
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	expect(t, s, feed)
	onlyOneGeneration(t, dir)
}

func TestKilledWhileRebuildingTheOldIndexStays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process many times")
	}
	dir, feed := t.TempDir(), childFeed()
	if _, err := CatchUp(t.Context(), dir, feed); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	for range 5 {
		_, kill := start(t, childRebuilds, dir)
		time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
		kill()
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, s, feed)
		_ = s.Close()
		if n, err := CatchUp(t.Context(), dir, feed); n != 0 || err != nil {
			t.Fatalf("CatchUp() = %d, %v; want nothing to do", n, err)
		}
		onlyOneGeneration(t, dir)
	}
}

func TestAnotherProcessAnswersAndWhenItIsKilledTheIndexItself(t *testing.T) {
	dir, feed := t.TempDir(), childFeed()
	_, kill := start(t, childServes, dir)
	s := openRemote(t, dir)
	expect(t, s, feed)
	dogs := find(t, s, `dog number`, 3)
	if len(dogs.Hits) != 3 || len(dogs.Hits[0].Marks) != 2 || dogs.Hits[0].Relevance == 0 {
		t.Errorf("marks and relevance are lost on the way: %+v", dogs)
	}
	if _, err := OpenWriter(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("OpenWriter() = %v while another process holds the index", err)
	}
	if n, err := CatchUp(t.Context(), dir, nil); n != 0 || err != nil {
		t.Errorf("CatchUp() = %d, %v; want the holder to have nothing to do", n, err)
	}
	kill()
	expect(t, s, feed) // the same Searcher, now reading the index itself
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// The socket that was left over is in nobody's way.
	_, _ = start(t, childServes, dir)
	again := openRemote(t, dir)
	expect(t, again, feed)
	_ = again.Close()
}

func TestCatchUpTakesOverFromAHolderThatIsKilled(t *testing.T) {
	dir, feed := t.TempDir(), childFeed()
	_, kill := start(t, childServes, dir)
	_ = openRemote(t, dir).Close()
	numbered(feed, 10_000, 10_010) // the child's feed never has these
	time.AfterFunc(100*time.Millisecond, kill)
	for n := 0; n == 0; {
		var err error
		if n, err = CatchUp(t.Context(), dir, feed); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	expect(t, s, feed)
}

func TestALockIsWaitedForTwoSecondsAndItsHolderNamed(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 10)
	tests := map[string]struct {
		child string
		open  func(dir string) error
	}{
		"search, while a process holds the index and does not answer": {childHolds, func(dir string) error {
			_, err := Open(context.Background(), dir)
			return err
		}},
		"index, while a process that searches does not end": {childReads, func(dir string) error {
			_, err := OpenWriter(dir)
			return err
		}},
		"search, while another program has Bleve's file open": {childHasBolt, func(dir string) error {
			_, err := Open(context.Background(), dir)
			return err
		}},
		"index, while another program has Bleve's file open": {childHasBolt, func(dir string) error {
			_, err := OpenWriter(dir)
			return err
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := CatchUp(t.Context(), dir, feed); err != nil {
				t.Fatal(err)
			}
			locked := dir
			if tt.child == childHasBolt {
				locked = filepath.Join(dir, currentLink, "store", "root.bolt")
			}
			process, _ := start(t, tt.child, locked)
			began := time.Now()
			err := tt.open(dir)
			if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", process.Pid)) {
				t.Errorf("%v; want ErrLocked with process %d", err, process.Pid)
			}
			if took := time.Since(began); took > patience+boltTimeout+2*time.Second {
				t.Errorf("it took %v to say so", took)
			}
		})
	}
}

func TestAHolderThatIsStoppedDoesNotStopASearchForever(t *testing.T) {
	dir := t.TempDir()
	process, _ := start(t, childServes, dir)
	_ = openRemote(t, dir).Close()
	if err := process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for stopped := false; !stopped; { // signals take their time
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		stopped = strings.Contains(string(stat), ") T ")
	}
	began := time.Now()
	_, err := Open(t.Context(), dir)
	if !errors.Is(err, ErrLocked) || time.Since(began) > 2*patience {
		t.Errorf("Open() = %v after %v; want ErrLocked after %v", err, time.Since(began), patience)
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	if _, err := CatchUp(ctx, dir, newFakeFeed()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("CatchUp() = %v; want it to wait until its context ends", err)
	}
}
