package web

import (
	"context"
	"sync"
	"time"

	"shoebox/search"
)

// workersShare is what searches leave of the processors while a worker captions
// in this process: many clients would take two thirds otherwise.
const workersShare = 0.85

// aroundASearch is how many times the processor time of a search its request
// takes, with reading it, writing the answer and collecting garbage: measured, as
// 1.8 ms a request of which the search took 0.7.
const aroundASearch = 2.4

// longestBurst is how much of its time of the processors a search finds at most,
// because others took less before: a person who types never waits.
const longestBurst = 2 * time.Second

// allowance is the processor time that searches may take. Who comes when there
// is none left waits until there is some.
type allowance struct {
	rate float64 // seconds of processors a second

	mu   sync.Mutex
	left time.Duration // at that moment; below zero: taken in advance
	at   time.Time
}

func newAllowance(processors int) *allowance {
	return &allowance{rate: (1 - workersShare) * float64(processors), left: longestBurst, at: time.Now()}
}

// besideWorker has a search wait until a worker in this process can spare the
// processors. charge, called by the same goroutine, says that it has ended.
func (s *Server) besideWorker(ctx context.Context) (metered context.Context, charge func(), err error) {
	if !s.Working() {
		return ctx, func() {}, nil // and nobody pays for it later
	}
	if err := s.allowance.wait(ctx); err != nil {
		return ctx, nil, err
	}
	var meter search.Meter
	metered = search.WithMeter(ctx, &meter)
	measured := search.Measure(metered)
	return metered, func() {
		measured()
		s.allowance.spend(meter.Spent())
	}, nil
}

// wait returns when there is something left.
func (a *allowance) wait(ctx context.Context) error {
	for {
		a.mu.Lock()
		a.refill()
		missing := -a.left
		a.mu.Unlock()
		if missing <= 0 {
			return nil
		}
		select {
		case <-time.After(time.Duration(float64(missing)/a.rate) + 1):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// spend takes what a request took of which the search took so long.
func (a *allowance) spend(took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refill()
	a.left -= time.Duration(float64(took) * aroundASearch)
}

func (a *allowance) refill() {
	now := time.Now()
	a.left = min(a.left+time.Duration(float64(now.Sub(a.at))*a.rate), longestBurst)
	a.at = now
}
