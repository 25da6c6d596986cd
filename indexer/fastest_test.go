package indexer

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"shoebox/captioner"
)

// timed is a captioner whose calls take a time that depends on the batch.
type timed struct {
	colours
	took func(pictures int) time.Duration
	most int // pictures that fit into its memory
}

func (c *timed) Describe(pictures [][]byte) ([]captioner.Description, error) {
	if len(pictures) > c.most {
		return nil, errors.New("out of memory")
	}
	time.Sleep(c.took(len(pictures)))
	return make([]captioner.Description, len(pictures)), nil
}

func TestTheFastestBatchIsFoundAndOfEqualOnesTheSmallest(t *testing.T) {
	const each = 10 * time.Millisecond
	overhead := func(pictures int) time.Duration { return 100*time.Millisecond + time.Duration(pictures)*each }
	for name, c := range map[string]struct {
		captioner *timed
		want      int
	}{
		"a call costs much, so the largest":       {&timed{took: overhead, most: 99}, 32},
		"a call costs nothing, so the smallest":   {&timed{took: func(n int) time.Duration { return time.Duration(n) * each }, most: 99}, 4},
		"large ones are slower":                   {&timed{took: func(n int) time.Duration { return 5*each + time.Duration(n*n)*each/8 }, most: 99}, 8},
		"memory ends before it gets slower again": {&timed{took: overhead, most: 20}, 16},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := FastestBatch(c.captioner, 2, []int{4, 8, 16, 32})
				if err != nil || got != c.want {
					t.Errorf("%d pictures, %v; want %d", got, err, c.want)
				}
			})
		})
	}
	if _, err := FastestBatch(&timed{took: overhead}, 1, []int{4}); err == nil {
		t.Error("a model that always fails has a fastest batch")
	}
}

func TestPicturesForMeasuringDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for i := range 32 {
		pixels := madeUp(32, 24, i)
		if len(pixels) != 32*24*3 {
			t.Fatalf("%d bytes", len(pixels))
		}
		seen[string(pixels)] = true
	}
	if len(seen) != 32 {
		t.Errorf("%d different pictures of 32", len(seen))
	}
}
