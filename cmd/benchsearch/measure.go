package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	stdruntime "runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	different = 300 // queries of a kind
	rounds    = 3   // how often each is asked
	clients   = 8
	// longest is how long a kind is asked; of what is slow there are fewer
	// rounds then, or not all of the queries, which come in no order.
	longest = 10 * time.Second
)

// latencies are how long queries of a kind took, sorted.
type latencies struct {
	all []time.Duration
	// busy is for how long the processor worked on each query of a single
	// client, whatever else the machine does; without the work of the garbage
	// collector on other processors.
	busy []time.Duration
}

// measure asks n queries, each rounds times, by some clients at once.
func measure(ctx context.Context, n, rounds, clients int, ask func(ctx context.Context, client, i int) error) (latencies, error) {
	var next atomic.Int64
	of := make([]latencies, clients)
	errs := make([]error, clients)
	began := time.Now()
	var asking sync.WaitGroup
	for client := range clients {
		asking.Go(func() {
			stdruntime.LockOSThread()
			defer stdruntime.UnlockOSThread()
			for {
				i := int(next.Add(1)) - 1
				if i >= n*rounds || time.Since(began) > longest {
					return
				}
				asked, busy := time.Now(), threadTime()
				if errs[client] = ask(ctx, client, i%n); errs[client] != nil {
					return
				}
				of[client].all = append(of[client].all, time.Since(asked))
				of[client].busy = append(of[client].busy, threadTime()-busy)
			}
		})
	}
	asking.Wait()
	var l latencies
	for _, c := range of {
		l.all, l.busy = append(l.all, c.all...), append(l.busy, c.busy...)
	}
	slices.Sort(l.all)
	slices.Sort(l.busy)
	return l, errors.Join(errs...)
}

// threadTime is how long this thread has run.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// percentile is that of sorted times; 0 without any.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*p/100]
}

// settle waits until this process has had next to nothing to do for a while,
// or for five minutes.
func settle(ctx context.Context) {
	const look, quietLooks = 500 * time.Millisecond, 6
	quiet := 0
	for last, looks := processTime(), 0; quiet < quietLooks && looks < 600 && ctx.Err() == nil; looks++ {
		time.Sleep(look)
		now := processTime()
		quiet++
		if now-last > look/50 {
			quiet = 0
		}
		last = now
	}
}

// processTime is how long all threads of this process have run.
func processTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// profile writes where the time goes while something is measured into a folder,
// if one is named.
func profile(dir, name string, what func() error) error {
	if dir == "" {
		return what()
	}
	file, err := os.Create(filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".pprof"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = what()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}
