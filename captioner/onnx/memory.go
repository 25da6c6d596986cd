package onnx

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
)

// batchLimit is how many pictures fit into a device's memory at once, as far as
// that was found out. Its zero value knows of no limit.
type batchLimit struct {
	most atomic.Int64 // 0: no limit
}

// run runs a batch, in parts where it does not fit. When a part was too large,
// this and all later batches have parts of at most half its size.
func (l *batchLimit) run(pictures [][]byte, run func(pictures [][]byte) ([]Answer, error)) ([]Answer, error) {
	all := make([]Answer, 0, len(pictures))
	for len(pictures) > 0 {
		n := min(len(pictures), l.get())
		answers, err := run(pictures[:n])
		if outOfMemory(err) {
			if n == 1 {
				return nil, fmt.Errorf("the memory is not enough for one picture: free some, or use --device cpu: %w", err)
			}
			l.most.Store(int64(n / 2))
			slog.Warn("the batch did not fit into the memory of the device: smaller ones from now on", "pictures", n, "now", n/2)
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, answers...)
		pictures = pictures[n:]
	}
	return all, nil
}

func (l *batchLimit) get() int {
	if most := l.most.Load(); most > 0 {
		return int(most)
	}
	return math.MaxInt
}

// noMemory is how ONNX Runtime, CUDA and its libraries say that there is not
// enough memory. There is no code that tells this from other failures.
var noMemory = []string{
	"Failed to allocate memory for requested buffer", // the runtime's arena
	"is smaller than requested bytes",                // the same, at its limit
	"CUDA failure 2:",                                // cudaErrorMemoryAllocation
	"CUBLAS_STATUS_ALLOC_FAILED",
	"CUDNN_STATUS_ALLOC_FAILED",
	"CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
	"std::bad_alloc",
}

func outOfMemory(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	for _, says := range noMemory {
		if strings.Contains(text, says) {
			return true
		}
	}
	return false
}
