package web

import (
	"io"
	"net/http"
	"time"
)

// Clients may be slow but not stuck: what is between two bits of progress, and
// how long a whole request may take to come.
const (
	writePatience = 30 * time.Second // for 32 kB or less
	smallBody     = 10 * time.Second
	largeBody     = time.Minute // 64 MiB at 1 MB/s
)

// patientWriter gives each write its own deadline, so that a client that takes
// nothing any more is dropped, and one that takes a large file slowly is not.
type patientWriter struct{ http.ResponseWriter }

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *patientWriter) Write(data []byte) (n int, err error) {
	const most = 32 << 10
	for {
		// Where there is no connection, as in some tests, nothing can hang.
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(writePatience))
		part := data[n:min(n+most, len(data))]
		written, err := w.ResponseWriter.Write(part)
		if n += written; err != nil || n == len(data) {
			return n, err
		}
	}
}

// readWithin has a body of at most limit bytes read by do, within a time.
func readWithin(w http.ResponseWriter, r *http.Request, limit int64, within time.Duration, do func() error) error {
	if r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(within))
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := do()
	// A deadline that passes later would end the request.
	_ = control.SetReadDeadline(time.Time{})
	return err
}

// readAll reads a small body.
func readAll(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, err error) {
	err = readWithin(w, r, limit, smallBody, func() error {
		body, err = io.ReadAll(r.Body)
		return err
	})
	return body, err
}
