package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"shoebox/captioner/picture"
	"shoebox/search"
	"shoebox/search/query"
	"shoebox/storage"
)

// problem is an error as clients get it (RFC 9457).
type problem struct {
	Type   string `json:"type"` // always about:blank: Code tells problems apart
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"` // short and stable
	// Of a query that cannot be read: the place, counted in characters from 1,
	// and the query with that place marked, in two lines.
	At   int    `json:"at,omitempty"`
	Mark string `json:"mark,omitempty"`

	retryAfter time.Duration
}

func (p *problem) Error() string { return p.Detail }

// refuse makes a problem.
func refuse(status int, code, detail string, args ...any) *problem {
	return &problem{Status: status, Code: code, Detail: fmt.Sprintf(detail, args...)}
}

// later makes a problem that passes by itself.
func later(status int, after time.Duration, code, detail string, args ...any) *problem {
	p := refuse(status, code, detail, args...)
	p.retryAfter = after
	return p
}

// write sends the problem. Whatever the caller had prepared is dropped.
func (p *problem) write(w http.ResponseWriter) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	header := w.Header()
	for _, name := range []string{"ETag", "Last-Modified", "Content-Length", "Content-Disposition"} {
		header.Del(name)
	}
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(max(1, int(p.retryAfter.Seconds()))))
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may have gone
}

// problemOf turns an error into what clients are told.
func problemOf(err error) *problem {
	var known *problem
	var unread *query.Error
	var use *search.UseError
	var bad *picture.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &unread):
		p := refuse(http.StatusBadRequest, "bad_query", "%s", unread.Msg)
		p.At, p.Mark = unread.At, unread.Mark()
		return p
	case errors.As(err, &use):
		return refuse(http.StatusBadRequest, "bad_request", "%s", use.Text)
	case errors.Is(err, query.ErrAlbum):
		return refuse(http.StatusBadRequest, "bad_album", "%v", err)
	case errors.As(err, &large):
		return refuse(http.StatusRequestEntityTooLarge, "too_large", "the request is larger than %d MB", large.Limit>>20)
	case errors.As(err, &bad):
		return pictureProblem(bad)
	case errors.Is(err, storage.ErrUnknownPhoto):
		return refuse(http.StatusNotFound, "unknown_photo", "there is no such photo")
	case errors.Is(err, storage.ErrUnavailable):
		return later(http.StatusServiceUnavailable, 5*time.Second, "database_unavailable",
			"the database is not available now; search goes on without it")
	case errors.Is(err, search.ErrLocked), errors.Is(err, search.ErrDamaged), errors.Is(err, search.ErrOutdated), errors.Is(err, search.ErrBuilding):
		return later(http.StatusServiceUnavailable, 5*time.Second, "index_unavailable", "%v", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return later(http.StatusServiceUnavailable, 5*time.Second, "timeout", "it took too long")
	}
	return refuse(http.StatusInternalServerError, "internal", "something went wrong; the log of shoebox says what")
}

// pictureProblem is why a file gives no picture, with the code that `shoebox
// failures` has for it.
func pictureProblem(e *picture.Error) *problem {
	status := http.StatusUnprocessableEntity
	switch {
	case e.Code == "too-large":
		status = http.StatusRequestEntityTooLarge
	case e.Unsupported, e.Code == "not-a-picture":
		status = http.StatusUnsupportedMediaType
	}
	return refuse(status, e.Code, "%s", e.Text)
}

// handler answers a request or returns why it cannot. It must not have written
// anything then.
type handler func(w http.ResponseWriter, r *http.Request) error

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h(w, r)
	if err == nil || r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return
	}
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		slog.Warn("a request failed", "request", r.Method+" "+r.URL.Path, "code", p.Code, "error", err)
	}
	p.write(w)
}

// sendJSON answers with an object.
func sendJSON(w http.ResponseWriter, object any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(data)+1))
	_, _ = w.Write(append(data, '\n')) // the client may have gone
	return nil
}
