package search

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Meter adds up the processor time that searches take, for whoever has to share
// the processors out. The zero value is ready.
type Meter struct{ nanoseconds atomic.Int64 }

// Spent is the sum.
func (m *Meter) Spent() time.Duration { return time.Duration(m.nanoseconds.Load()) }

type meterKey struct{}

// WithMeter has a search with this context tell a meter what it takes. What
// another process computes for it is not counted.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// Measure counts what this goroutine takes until the function is called that it
// returns. By the clock, a search would be charged for what others do meanwhile.
func Measure(ctx context.Context) (end func()) {
	m, ok := ctx.Value(meterKey{}).(*Meter)
	if !ok {
		return func() {}
	}
	runtime.LockOSThread()
	began := threadTime()
	return func() {
		m.nanoseconds.Add(int64(threadTime() - began))
		runtime.UnlockOSThread()
	}
}

// threadTime is what this thread has used of the processors.
func threadTime() time.Duration {
	var used unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_THREAD, &used) // it cannot fail with these
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
