package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// statusEvery is how often it is looked for changes while somebody listens.
	statusEvery = time.Second
	// heartbeat keeps proxies from ending a quiet connection, and notices
	// clients that have gone.
	heartbeat   = 15 * time.Second
	mostStreams = 100
)

// events tells whoever listens when the status changes. It looks only while
// somebody does, once for all.
type events struct {
	status func(ctx context.Context) (any, error)

	mu        sync.Mutex
	listeners map[chan []byte]struct{}
	last      []byte
	stop      context.CancelFunc // of watch; nil: nobody listens
	closed    chan struct{}      // when the server ends
	closing   sync.Once
}

func newEvents(status func(ctx context.Context) (any, error)) *events {
	return &events{status: status, listeners: make(map[chan []byte]struct{}), closed: make(chan struct{})}
}

// close ends all streams.
func (e *events) close() { e.closing.Do(func() { close(e.closed) }) }

// listen returns a channel with the newest status. false: there are too many.
func (e *events) listen() (chan []byte, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.listeners) >= mostStreams {
		return nil, false
	}
	listener := make(chan []byte, 1)
	e.listeners[listener] = struct{}{}
	if e.stop == nil {
		var ctx context.Context
		ctx, e.stop = context.WithCancel(context.Background())
		e.last = nil
		go e.watch(ctx)
	} else if e.last != nil {
		listener <- e.last
	}
	return listener, true
}

func (e *events) leave(listener chan []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.listeners, listener)
	if len(e.listeners) == 0 {
		e.stop()
		e.stop = nil
	}
}

// watch looks at the status until ctx ends.
func (e *events) watch(ctx context.Context) {
	beat := time.NewTicker(statusEvery)
	defer beat.Stop()
	for {
		e.tell(ctx, e.look(ctx))
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

// look is the event that says how things are.
func (e *events) look(ctx context.Context) []byte {
	ctx, stop := context.WithTimeout(ctx, statusLimit)
	defer stop()
	name, object := "status", any(nil)
	status, err := e.status(ctx)
	if object = status; err != nil {
		name, object = "problem", problemOf(err)
	}
	data, err := json.Marshal(object)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, data)
}

// tell gives an event that is news to all, in place of one that was not taken
// yet.
func (e *events) tell(ctx context.Context, event []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ctx.Err() != nil || event == nil || bytes.Equal(event, e.last) {
		return
	}
	e.last = event
	for listener := range e.listeners {
		select {
		case <-listener:
		default:
		}
		listener <- event
	}
}

// stream answers GET /api/events.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) error {
	news, ok := s.events.listen()
	if !ok {
		return later(http.StatusTooManyRequests, 10*time.Second, "too_many_requests", "%d pages listen already", mostStreams)
	}
	defer s.events.leave(news)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	send := func(event []byte) error {
		if _, err := w.Write(event); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	}
	for err := send([]byte("retry: 3000\n\n")); err == nil; {
		select {
		case event := <-news:
			err = send(event)
		case <-beat.C:
			err = send([]byte(": still here\n\n"))
		case <-s.events.closed:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
	return nil
}
