package picture

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Budget bounds the memory that reading and decoding pictures take together,
// whoever does it: bytes of files first, then bytes of decoders, so that none
// waits for another that waits for it. Many goroutines may share one.
type Budget struct {
	bytes           int64
	files, decoders *semaphore.Weighted
}

// NewBudget allows so many bytes, a quarter of them for files.
func NewBudget(bytes int64) *Budget {
	b := &Budget{bytes: bytes}
	b.files, b.decoders = semaphore.NewWeighted(bytes/4), semaphore.NewWeighted(b.MostDecoding())
	return b
}

// MostFile is how many bytes a file may have.
func (b *Budget) MostFile() int64 { return min(b.bytes/4, MaxFileSize) }

// MostDecoding is how many bytes decoding a file may take (EstimateMemory).
func (b *Budget) MostDecoding() int64 { return b.bytes - b.bytes/4 }

// File waits until a file of so many bytes may be read, at most MostFile.
// release gives them back.
func (b *Budget) File(ctx context.Context, bytes int64) (release func(), err error) {
	return take(ctx, b.files, bytes)
}

// Decoding waits until a decoder may take so many bytes, at most MostDecoding.
// release gives them back.
func (b *Budget) Decoding(ctx context.Context, bytes int64) (release func(), err error) {
	return take(ctx, b.decoders, bytes)
}

func take(ctx context.Context, room *semaphore.Weighted, bytes int64) (release func(), err error) {
	if err := room.Acquire(ctx, bytes); err != nil {
		return func() {}, err
	}
	return func() { room.Release(bytes) }, nil
}
