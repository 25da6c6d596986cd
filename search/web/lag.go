package web

import (
	"sync"
	"time"
)

// lag measures how long search has been behind, by being told now and then
// whether it is.
type lag struct {
	mu    sync.Mutex
	since time.Time // zero: it is not behind
}

func (l *lag) seconds(behind bool) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !behind:
		l.since = time.Time{}
		return 0
	case l.since.IsZero():
		l.since = time.Now()
	}
	return time.Since(l.since).Seconds()
}
