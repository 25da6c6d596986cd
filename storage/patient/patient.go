// Package patient makes a storage.Store wait while the database is away: it
// asks again, with growing pauses, until there is an answer.
//
// It repeats whole operations and nothing smaller, because those are what a
// Store makes safe to repeat: an operation whose answer was lost has been done
// already, and doing it again changes nothing. It never judges errors: what
// passes by itself is a storage.ErrUnavailable.
package patient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"shoebox/storage"
)

const (
	// firstPause follows the first failure, which may have been a hiccup;
	// every further one is twice as long, up to longestPause. A person who
	// has started the database again should not wait long for us.
	firstPause   = 50 * time.Millisecond
	longestPause = 30 * time.Second
	// quietFailures are not worth a word: a conflict of two transactions, a
	// connection that the server had closed.
	quietFailures = 2
)

// Store is a storage.Store whose operations wait out an outage. Those that a
// person at a terminal asks for are not repeated: they come from the Store
// below. It may be used by many goroutines.
type Store struct {
	storage.Store

	revive   func(context.Context) error
	reviving sync.Mutex

	mu      sync.Mutex
	waiting int       // operations that wait
	since   time.Time // when the first of them began to
}

// New returns a patient Store. revive, which may be nil, is called before each
// repetition: it starts a database that is ours to start.
func New(store storage.Store, revive func(context.Context) error) *Store {
	return &Store{Store: store, revive: revive}
}

// outage is what an operation has gone through so far.
type outage struct {
	store    *Store
	failures int
}

// wait pauses before an operation that failed is tried again. It returns the
// error to end with when ctx ends, or err when waiting would not help.
func (o *outage) wait(ctx context.Context, err error) error {
	if !errors.Is(err, storage.ErrUnavailable) {
		o.over()
		return err
	}
	if o.failures++; o.failures == quietFailures {
		o.store.begin(err)
	}
	pause := longestPause
	if o.failures < 16 {
		pause = min(longestPause, firstPause<<(o.failures-1))
	}
	select {
	case <-time.After(time.Duration(float64(pause) * (0.5 + rand.Float64()/2))):
	case <-ctx.Done():
		o.over()
		return fmt.Errorf("%w while waiting for the database: %w", ctx.Err(), err)
	}
	o.store.tryToRevive(ctx)
	return nil
}

// over says that the operation got an answer, or gives up.
func (o *outage) over() {
	if o.failures >= quietFailures {
		o.store.end()
	}
	o.failures = 0
}

// begin and end say once that the database is away, and once that it is back,
// however many operations wait for it.
func (s *Store) begin(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting++; s.waiting == 1 {
		s.since = time.Now()
		slog.Warn("waiting for the database; what has been done is kept", "error", err)
	}
}

func (s *Store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting--; s.waiting == 0 {
		slog.Info("no longer waiting for the database", "waited", time.Since(s.since).Round(time.Millisecond))
	}
}

func (s *Store) tryToRevive(ctx context.Context) {
	if s.revive == nil {
		return
	}
	s.reviving.Lock()
	defer s.reviving.Unlock()
	if err := s.revive(ctx); err != nil && ctx.Err() == nil {
		slog.Warn("the private database does not start", "error", err)
	}
}

// ask repeats an operation until it is answered.
func ask[T any](ctx context.Context, s *Store, operation func() (T, error)) (T, error) {
	o := outage{store: s}
	for {
		answer, err := operation()
		if err == nil {
			o.over()
			return answer, nil
		}
		if err := o.wait(ctx, err); err != nil {
			return answer, err
		}
	}
}

// tell is ask for an operation that only succeeds or fails.
func tell(ctx context.Context, s *Store, operation func() error) error {
	_, err := ask(ctx, s, func() (struct{}, error) { return struct{}{}, operation() })
	return err
}

// stream begins a sorted stream again where it broke: what was seen already is
// passed over.
func stream[T any](ctx context.Context, s *Store, open func() iter.Seq2[T, error], less func(a, b T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		o := outage{store: s}
		var last *T
		for {
			var broke error
			for one, err := range open() {
				if err != nil {
					broke = err
					break
				}
				o.over()
				if last != nil && !less(*last, one) {
					continue
				}
				last = &one
				if !yield(one, nil) {
					return
				}
			}
			if broke == nil {
				o.over()
				return
			}
			if err := o.wait(ctx, broke); err != nil {
				var none T
				yield(none, err)
				return
			}
		}
	}
}
