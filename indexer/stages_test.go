package indexer

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"shoebox/storage"
)

func TestBatchesAreCountedByTheirSize(t *testing.T) {
	var s Stages
	for _, pictures := range []int{1, 2, 3, 4, 5, 32, 33, 1024, 5000} {
		s.addBatch(pictures)
	}
	want := map[int]int64{1: 1, 2: 1, 4: 2, 8: 1, 32: 1, 64: 1, 1024: 2}
	for _, b := range s.Figures().Batches {
		if b.Calls != want[b.Most] {
			t.Errorf("%d calls with at most %d pictures, want %d", b.Calls, b.Most, want[b.Most])
		}
	}
}

func TestAPhotoIsCountedOnceInEachStage(t *testing.T) {
	j := newJob(t)
	const photos = 40
	for n := range photos {
		j.picture(fmt.Sprintf("%d.png", n), shade(n), "")
	}
	w := j.worker()
	w.Batch = 8
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	figures := w.Stages.Figures()
	for _, stage := range figures.Stages {
		want := int64(photos)
		if stage.Stage == Keeping || stage.Stage == Projecting { // what a command adds
			want = 0
		}
		if stage.Photos != want || want > 0 && stage.Took <= 0 {
			t.Errorf("%s: %d photos in %s, want %d", stage.Stage, stage.Photos, stage.Took, want)
		}
	}
	if figures.Queue != 0 {
		t.Errorf("%d pictures wait for the model after the end", figures.Queue)
	}
	calls := int64(0)
	for _, b := range figures.Batches {
		if calls += b.Calls; b.Calls > 0 && b.Most > 8 {
			t.Errorf("%d calls with more than 8 pictures", b.Calls)
		}
	}
	if calls < photos/8 {
		t.Errorf("%d calls of at most 8 pictures for %d photos", calls, photos)
	}
}

// inOrder is storage that sees whether a copy is stored before its photo.
type inOrder struct {
	Queue
	t      *testing.T
	stored map[storage.PhotoID]bool
}

func (q *inOrder) Commit(ctx context.Context, owner storage.Owner, results []storage.Result) (int, error) {
	for _, r := range results {
		if r.Photo == nil && !q.stored[r.PhotoID] {
			q.t.Errorf("%s is stored before the photo that it is a copy of", r.Claim.Path)
		}
		q.stored[r.PhotoID] = true
	}
	return q.Queue.Commit(ctx, owner, results)
}

func TestCallsOfTheModelRunSideBySideAndAreStoredInTheirOrder(t *testing.T) {
	j := newJob(t)
	want := make(map[string]string)
	for n := range 8 {
		name := fmt.Sprintf("%d.png", n)
		j.picture(name, shade(n), "")
		j.picture("copies/"+name, shade(n), "")
		want[name], want["copies/"+name] = shadeCaption(n), shadeCaption(n)
	}
	w := j.worker()
	w.Queue = &inOrder{w.Queue, t, make(map[storage.PhotoID]bool)}
	w.Readers, w.Batch = 1, 1
	// The first call does not return before another one has.
	var calls atomic.Int64
	another := make(chan struct{})
	j.captioner.called = func() {
		switch calls.Add(1) {
		case 1:
			select {
			case <-another:
			case <-time.After(time.Minute):
				t.Error("no second call began while the first ran")
			}
		case 2:
			close(another)
		}
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.check(want, 8)
}
