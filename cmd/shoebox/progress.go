package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"shoebox/indexer"
)

// reportEvery is how often progress is said where no terminal is.
const reportEvery = 30 * time.Second

// showProgress shows how far a run is until done is closed: a bar on a
// terminal, a line now and then elsewhere. todo counts the files that were
// pending at the start, and pauses tells when the work is paused.
func showProgress(w io.Writer, p *indexer.Progress, todo int, pauses <-chan bool, done <-chan struct{}) {
	if isTerminal(w) {
		showBar(w, p, todo, pauses, done)
		return
	}
	started := time.Now()
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	paused := false
	for {
		select {
		case <-done:
			return
		case paused = <-pauses:
			sayPause(w, paused)
		case <-ticker.C:
			if paused {
				continue
			}
			n := p.Files()
			rate := float64(n) / time.Since(started).Seconds()
			fmt.Fprintf(w, "%d of %d photos, %.1f a second, %s left\n", n, todo, rate, timeLeft(todo, n, rate))
		}
	}
}

// sayRate says now and then how fast a worker is that has no end, until done is
// closed.
func sayRate(w io.Writer, p *indexer.Progress, pauses <-chan bool, done <-chan struct{}) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	paused, before := false, int64(0)
	for {
		select {
		case <-done:
			return
		case paused = <-pauses:
			sayPause(w, paused)
		case <-ticker.C:
			if paused {
				continue
			}
			n := p.Files()
			fmt.Fprintf(w, "%d photos, %.1f a second\n", n, float64(n-before)/reportEvery.Seconds())
			before = n
		}
	}
}

func timeLeft(todo int, n int64, rate float64) string {
	if n == 0 {
		return "unknown time"
	}
	left := max(float64(todo)-float64(n), 0) / rate
	return time.Duration(left * float64(time.Second)).Round(time.Second).String()
}

func showBar(w io.Writer, p *indexer.Progress, todo int, pauses <-chan bool, done <-chan struct{}) {
	const working = "captioning"
	bar := progressbar.NewOptions64(int64(todo),
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(working),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("photos"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
	)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			_ = bar.Clear() // a bar that cannot be drawn harms nothing
			return
		case paused := <-pauses:
			bar.Describe(map[bool]string{true: pauseSaid, false: working}[paused])
		case <-ticker.C:
			_ = bar.Set64(min(p.Files(), int64(todo)))
		}
	}
}
