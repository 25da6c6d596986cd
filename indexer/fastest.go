package indexer

import (
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// FastestBatch measures how many pictures a call of the model should take: the
// fastest of the sizes, which grow, when so many calls run side by side, or a
// smaller one that is within 3 % of it, since it takes less memory. It stops at
// a size that is clearly slower than the best, or that the model fails on.
func FastestBatch(c Captioner, calls int, sizes []int) (int, error) {
	best, most := 0, 0.0
	for _, size := range sizes {
		rate, err := describingRate(c, calls, size)
		switch {
		case err != nil && best == 0:
			return 0, fmt.Errorf("the model fails on a batch of %d pictures: %w", size, err)
		case err != nil || rate < 0.95*most:
			return best, nil
		case rate > 1.03*most:
			best, most = size, rate
		}
	}
	return best, nil
}

// describingRate is how many pictures a second the model describes: after calls
// for which it takes its memory, the best of some tries, since other programs
// only ever make one slower.
func describingRate(c Captioner, calls, size int) (float64, error) {
	pictures := make([][]byte, size)
	for i := range pictures {
		pictures[i] = madeUp(c.Size().Width, c.Size().Height, i)
	}
	const tries = 4
	best := 0.0
	for try := range tries {
		began := time.Now()
		var group errgroup.Group
		for range calls {
			group.Go(func() error {
				_, err := c.Describe(pictures)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return 0, err
		}
		if try > 0 {
			best = max(best, float64(calls*size)/time.Since(began).Seconds())
		}
	}
	return best, nil
}

// madeUp paints a picture of coloured planes. Each number gives another, so that
// the captions have different lengths, as those of photos have.
func madeUp(width, height, number int) []byte {
	pixels := make([]byte, 0, width*height*3)
	for y := range height {
		for x := range width {
			tile := (x*4/width + 1) * (y*4/height + 3) * (number + 1)
			pixels = append(pixels, byte(tile*37), byte(tile*59+x), byte(tile*83+y))
		}
	}
	return pixels
}
