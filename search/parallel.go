package search

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// workers is how many goroutines inParallel uses for n tasks.
func workers(n int) int { return max(1, min(runtime.GOMAXPROCS(0), n)) }

// inParallel does n tasks, numbered from 0, with as many goroutines as there
// are processors; do is told which of them it runs in. Damage that a task meets
// is its error.
func (g *generation) inParallel(ctx context.Context, n int, do func(worker, task int) error) error {
	var next atomic.Int64
	work := func(worker int) (err error) {
		// Both are a goroutine's own: what search does is for its caller's.
		defer g.survive(&err)
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer Measure(ctx)()
		for {
			task := int(next.Add(1)) - 1
			if task >= n || ctx.Err() != nil {
				return ctx.Err()
			}
			if err := do(worker, task); err != nil {
				return err
			}
		}
	}
	errs := make([]error, workers(n))
	var working sync.WaitGroup
	for worker := range errs {
		working.Go(func() { errs[worker] = work(worker) })
	}
	working.Wait()
	return errors.Join(errs...)
}
