package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"shoebox/captioner/model"
	"shoebox/storage"
)

// workReport is what `status` says of the workers.
type workReport struct {
	// PerSecond is how many files all workers finished a second in the last
	// minute.
	PerSecond float64 `json:"per_second"`
	// SecondsLeft is how long the waiting files take at that rate; absent when
	// nobody works or nothing waits.
	SecondsLeft *int64         `json:"seconds_left,omitempty"`
	Workers     []workerReport `json:"workers"`
}

type workerReport struct {
	Machine   string     `json:"machine"`
	PID       int        `json:"pid"`
	Leases    int        `json:"leases"`               // files in hand
	LeaseEnds *time.Time `json:"lease_ends,omitempty"` // unless it is extended before
	PerSecond float64    `json:"per_second"`
}

func reportWork(status storage.Status) workReport {
	r := workReport{Workers: []workerReport{}}
	for _, w := range status.Workers {
		r.PerSecond += w.PerSecond
		// The rest of the name tells machines and containers apart that share
		// a host name, for programs.
		machine, _, _ := strings.Cut(w.Owner.Machine, "|")
		worker := workerReport{Machine: machine, PID: w.Owner.PID, Leases: w.Files, PerSecond: w.PerSecond}
		if w.Files > 0 {
			worker.LeaseEnds = &w.Ends
		}
		r.Workers = append(r.Workers, worker)
	}
	if left := status.Total.Pending + status.Total.Leased; left > 0 && r.PerSecond > 0 {
		seconds := int64(float64(left) / r.PerSecond)
		r.SecondsLeft = &seconds
	}
	return r
}

func (r workReport) printWork(out io.Writer) {
	if len(r.Workers) == 0 {
		return
	}
	fmt.Fprintf(out, "%.1f photos a second", r.PerSecond)
	if r.SecondsLeft != nil {
		fmt.Fprintf(out, ", %s left", time.Duration(*r.SecondsLeft)*time.Second)
	}
	fmt.Fprintln(out)
	for _, w := range r.Workers {
		fmt.Fprintf(out, "worker %d on %s: %d photos in hand, %.1f a second", w.PID, w.Machine, w.Leases, w.PerSecond)
		if w.LeaseEnds != nil && w.LeaseEnds.Before(time.Now()) {
			fmt.Fprintf(out, "; silent, its photos are anybody's since %s", w.LeaseEnds.Local().Format("15:04:05"))
		}
		fmt.Fprintln(out)
	}
}

// olderCaptions counts the captions by models that were first seen before the
// one in this binary, or all others' while that has written none.
func olderCaptions(models []storage.ModelCount) (int, error) {
	current, err := model.ShippedHashes()
	if err != nil {
		return 0, err
	}
	own := time.Now()
	for _, m := range models {
		if slices.Contains(current, m.Hash) && m.FirstSeen.Before(own) {
			own = m.FirstSeen
		}
	}
	older := 0
	for _, m := range models {
		if !slices.Contains(current, m.Hash) && m.FirstSeen.Before(own) {
			older += m.Captions
		}
	}
	return older, nil
}
