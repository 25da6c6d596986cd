package web

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerPatience = 5 * time.Second // for a request's headers to come
	idlePatience   = time.Minute     // between two requests of a connection
	largestHeaders = 32 << 10
	// shutdownLimit is how long requests may take once the server is to end.
	shutdownLimit = 3 * time.Second
)

// Handler answers requests as Serve does.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers what comes in at listener until ctx ends, and then finishes
// what is in hand within seconds.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerPatience,
		IdleTimeout:       idlePatience,
		MaxHeaderBytes:    largestHeaders,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	server.RegisterOnShutdown(s.events.close)
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
		defer cancel()
		err := server.Shutdown(limited)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // a client was too slow
		}
		ended <- err
	})
	err := server.Serve(listener)
	if stop() {
		return errors.Join(err, server.Close()) // it ended by itself
	}
	return <-ended
}

//go:embed openapi.json
var openAPIDocument string

// OpenAPI is the document at /api/openapi.json.
func OpenAPI() string { return openAPIDocument }

// openAPI answers GET /api/openapi.json.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	_, _ = io.WriteString(w, openAPIDocument) // the client may have gone
	return nil
}
