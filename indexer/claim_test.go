package indexer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"shoebox/storage"
)

func TestUntilATimeNothingNewIsTakenAndWhatIsInHandIsFinished(t *testing.T) {
	j := newJob(t)
	const files = 400
	for n := range files {
		j.picture(fmt.Sprintf("%d.png", n), shade(n), "")
	}
	w := j.worker()
	w.Until = time.Now().Add(time.Second)
	j.captioner.called = func() { time.Sleep(300 * time.Millisecond) }
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	counts := j.counts()
	if counts.Leased != 0 || counts.Pending == 0 || int64(counts.Done) != j.captioner.asked.Load() {
		t.Errorf("afterwards %+v, %d captions computed", counts, j.captioner.asked.Load())
	}
	w = j.worker()
	w.Until = time.Now().Add(-time.Hour)
	if err := w.Run(t.Context()); err != nil || j.counts() != counts {
		t.Errorf("too late: %+v, %v", j.counts(), err)
	}
}

func TestOneFolderOfTwoThatGoesAwayLeavesTheOtherToBeFinished(t *testing.T) {
	j := newJob(t)
	other := newJob(t)
	other.store = j.store
	const files = 200
	for n := range files {
		j.picture(fmt.Sprintf("%d.png", n), shade(n), "")
		other.picture(fmt.Sprintf("%d.png", n), shade(files+n), "")
	}
	w := j.worker()
	for id, root := range other.worker().Roots {
		w.Roots[id] = root
	}
	away := j.root + ".away"
	var once sync.Once
	j.captioner.called = func() {
		once.Do(func() {
			if err := os.Rename(j.root, away); err != nil {
				t.Error(err)
			}
		})
	}
	if err := w.Run(t.Context()); err == nil {
		t.Error("the run does not say that a folder went away")
	}
	if counts := j.counts(); counts.Missing+counts.Failed+counts.Leased != 0 || counts.Done < files || counts.Done+counts.Pending != 2*files {
		t.Errorf("without the folder: %+v", counts)
	}
	if err := os.Rename(away, j.root); err != nil {
		t.Fatal(err)
	}
	j.run()
	if counts := j.counts(); counts != (storage.Counts{Done: 2 * files}) {
		t.Errorf("in the end %+v", counts)
	}
}

func TestAWorkerThatDoesNotScanDeletesNothing(t *testing.T) {
	j := newJob(t)
	j.picture("here.png", shade(1), "")
	j.picture("hidden/a.png", shade(2), "")
	w := j.worker()
	for id, root := range w.Roots {
		root.Scanned = false
		w.Roots[id] = root
	}
	hidden, away := filepath.Join(j.root, "hidden"), j.root+".hidden"
	if err := os.Rename(hidden, away); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.checkCodes(map[string]string{"hidden/a.png": "not-found"})
	if counts := j.counts(); counts.Missing != 0 || counts.Retrying != 1 {
		t.Errorf("counts are %+v", counts)
	}
	if err := os.Rename(away, hidden); err != nil {
		t.Fatal(err)
	}
	if _, err := j.store.RetryFailures(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	j.run()
	j.checkCaptions(map[string]string{"here.png": shadeCaption(1), "hidden/a.png": shadeCaption(2)})
}

func TestAWorkerThatGoesOnTakesWhatComesLater(t *testing.T) {
	j := newJob(t)
	j.picture("first.png", shade(1), "")
	w := j.worker()
	w.Refresh = NewLookout(j.store).Look
	w.Roots = nil
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	committed := make(chan struct{}, 10)
	w.Committed = func() { committed <- struct{}{} }
	go func() { ended <- w.Run(ctx) }()
	<-committed
	j.picture("second.png", shade(2), "")
	j.worker() // scans
	<-committed
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the worker ended with %v", err)
	}
	j.checkCaptions(map[string]string{"first.png": shadeCaption(1), "second.png": shadeCaption(2)})
}

func TestALookoutSeesFoldersByTheirFiles(t *testing.T) {
	j := newJob(t)
	for n := range 30 {
		j.picture(fmt.Sprintf("%02d.png", n), shade(n), "")
	}
	j.worker() // scans
	lookout := NewLookout(j.store)
	see := func() int {
		t.Helper()
		roots, err := lookout.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(roots)
	}
	away := j.root + ".away"
	for _, step := range []struct {
		what string
		do   func() error
		want int
	}{
		{"as it was scanned", func() error { return nil }, 1},
		{"as it was", func() error { return nil }, 1},
		{"gone", func() error { return os.Rename(j.root, away) }, 0},
		{"an empty mount point", func() error { return os.Mkdir(j.root, 0o755) }, 0},
		{"with other files", func() error { return os.WriteFile(filepath.Join(j.root, ".keep"), nil, 0o644) }, 0},
		{"with one of the files", func() error { return os.Link(filepath.Join(away, "07.png"), filepath.Join(j.root, "07.png")) }, 1},
		{"back", func() error { return errors.Join(os.RemoveAll(j.root), os.Rename(away, j.root)) }, 1},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := see(); got != step.want {
			t.Errorf("%s: %d folders are seen, want %d", step.what, got, step.want)
		}
	}
}

func (j *job) counts() storage.Counts {
	j.t.Helper()
	counts, err := j.store.CountFiles(j.t.Context(), nil)
	if err != nil {
		j.t.Fatal(err)
	}
	return counts
}
