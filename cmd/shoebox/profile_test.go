package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/indexer"
)

func TestIndexSaysWhereTheTimeWentAndKeepsToTheSizeOfABatch(t *testing.T) {
	l := newTestLibrary(t)
	root := t.TempDir()
	const photos = 7
	writeLibrary(t, root, photos)
	out := l.must(exitDone, "index", "--profile", "--batch=3", root)
	for _, stage := range []string{"read", "hash", "ask", "decode", "resize", "wait", "model", "write", "search"} {
		line := regexp.MustCompile(`(?m)^ *` + stage + ` +([\d.]+) ms +[\d.]+ s +(\d+) *$`).FindStringSubmatch(out.stderr)
		if line == nil || line[2] != strconv.Itoa(photos) {
			t.Errorf("%s: %q, want %d photos", stage, line, photos)
		}
	}
	calls := 0
	for _, line := range regexp.MustCompile(`(?m)^calls of the model with (.*) pictures: (\d+)$`).FindAllStringSubmatch(out.stderr, -1) {
		n, _ := strconv.Atoi(line[2])
		calls += n
		if line[1] != "1" && line[1] != "2" && line[1] != "3 to 4" {
			t.Errorf("%s: want at most 3 pictures", line[0])
		}
	}
	if calls < 3 {
		t.Errorf("%d calls of the model for %d photos, at most 3 each", calls, photos)
	}
	if t.Failed() {
		t.Log(out.stderr)
	}
}

// quick is a model that answers at once.
type quick struct {
	indexer.Captioner
	calls int
}

func (q *quick) Size() picture.Size { return picture.Size{Width: 4, Height: 4} }
func (q *quick) Hash() string       { return "quick" }

func (q *quick) Describe(pictures [][]byte) ([]captioner.Description, error) {
	q.calls++
	return make([]captioner.Description, len(pictures)), nil
}

func TestTheFastestBatchIsMeasuredOnceAndOnlyForManyPhotos(t *testing.T) {
	s := &settings{data: t.TempDir()}
	file := filepath.Join(s.data, "batches.json")
	model := &quick{}
	choose := func(f workFlags, waiting int) *indexer.Worker {
		t.Helper()
		w := &indexer.Worker{Captioner: model, Threads: 1, ModelThreads: 1}
		if err := f.chooseBatch(s, w, waiting); err != nil {
			t.Fatal(err)
		}
		return w
	}
	if w := choose(workFlags{}, 12); w.Batch != captioner.BatchSize || model.calls > 0 {
		t.Errorf("12 photos: %d a batch after %d calls", w.Batch, model.calls)
	}
	first := choose(workFlags{}, 10_000)
	if model.calls == 0 {
		t.Error("10,000 photos: nothing was measured")
	}
	model.calls = 0
	if w := choose(workFlags{}, 10_000); w.Batch != first.Batch || model.calls > 0 {
		t.Errorf("again: %d a batch after %d calls, want %d", w.Batch, model.calls, first.Batch)
	}
	if w := choose(workFlags{batch: 7}, 10_000); w.Batch != 7 {
		t.Errorf("--batch 7: %d a batch", w.Batch)
	}
	if err := os.WriteFile(file, []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := choose(workFlags{}, 10_000); w.Batch < 1 || model.calls == 0 {
		t.Errorf("a file that cannot be read: %d a batch after %d calls", w.Batch, model.calls)
	}
	for _, batch := range []int{-1, 5000} {
		if err := (workFlags{batch: batch}).chooseBatch(s, first, 1); err == nil {
			t.Errorf("--batch %d is accepted", batch)
		}
	}
}
