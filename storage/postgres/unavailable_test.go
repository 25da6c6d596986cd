package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shoebox/storage"
)

func TestWhatPassesByItselfIsToldFromWhatAPersonMustMend(t *testing.T) {
	state := func(code string) error { return &pgconn.PgError{Code: code} }
	for _, test := range []struct {
		says   string
		err    error
		passes bool
	}{
		{"the connection broke, says the server", state("08006"), true},
		{"a pooler lost its server", state("08P01"), true},
		{"the disk is full", state("53100"), true},
		{"out of memory", state("53200"), true},
		{"too many connections", state("53300"), true},
		{"a standby", state("25006"), true},
		{"idle in a transaction for too long", state("25P03"), true},
		{"serialization failure", state("40001"), true},
		{"deadlock", state("40P01"), true},
		{"a lock is not to be had", state("55P03"), true},
		{"cancelled", state("57014"), true},
		{"the server is told to stop", state("57P01"), true},
		{"the server crashed", state("57P02"), true},
		{"the server is starting", state("57P03"), true},
		{"idle for too long", state("57P05"), true},
		{"connection refused", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, true},
		{"the socket is not there", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENOENT)}, true},
		{"connection reset", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, true},
		{"broken pipe", syscall.EPIPE, true},
		{"no address for a name", &net.DNSError{Err: "no such host", Name: "db", IsNotFound: true}, true},
		{"the server hung up", io.EOF, true},
		{"the server hung up within a message", io.ErrUnexpectedEOF, true},
		{"the connection had been closed", net.ErrClosed, true},
		{"no answer in time", os.ErrDeadlineExceeded, true},

		{"wrong password", state("28P01"), false},
		{"no such database", state("3D000"), false},
		{"the database was dropped", state("57P04"), false},
		{"no right to a table", state("42501"), false},
		{"no such table", state("42P01"), false},
		{"not unique", state("23505"), false},
		{"not a UTF-8 text", state("22021"), false},
		{"the server's disk fails", state("58030"), false},
		{"a bug in the server", state("XX000"), false},
		{"damaged data", state("XX001"), false},
		{"no row", pgx.ErrNoRows, false},
		{"somebody has cancelled", context.Canceled, false},
		{"an error of ours", errors.New("model is not recorded"), false},
	} {
		t.Run(test.says, func(t *testing.T) {
			err := (&Store{}).failed("working", fmt.Errorf("wrapped: %w", test.err))
			if got := errors.Is(err, storage.ErrUnavailable); got != test.passes {
				t.Errorf("%v: passes is %v, want %v", test.err, got, test.passes)
			}
			if !errors.Is(err, test.err) {
				t.Errorf("%v does not wrap %v", err, test.err)
			}
		})
	}
	if (&Store{}).failed("working", nil) != nil {
		t.Error("no error is an error")
	}
}

// TestWhatPgxSaysOfALostServerPasses asks pgx itself, whose errors have other
// types from release to release.
func TestWhatPgxSaysOfALostServerPasses(t *testing.T) {
	// A server that takes the connection and hangs up, at once or after it
	// has been spoken to.
	for name, serve := range map[string]func(net.Conn){
		"at once":       func(net.Conn) {},
		"after a while": func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
					serve(conn)
					conn.Close()
				}
			}()
			_, err = Open(t.Context(), "postgres://me@"+listener.Addr().String()+"/db?sslmode=disable")
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := Open(t.Context(), "postgres://me@127.0.0.1:1/db?sslmode=disable")
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("nobody listens: %v", err)
	}
}
