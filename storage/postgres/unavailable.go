package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"shoebox/storage"
)

// passes is the one place that says which errors pass by themselves, so that
// waiting and asking again is right, and which a person has to deal with. An
// error that could be either is final: a run that ends is noticed, one that
// waits for ever may not be.
func passes(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return statePasses(server.Code)
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	// Not a word from the server: the connection could not be made (in time),
	// broke, or had been closed before.
	var network net.Error
	return errors.As(err, new(*pgconn.ConnectError)) || errors.As(err, &network) || errors.As(err, new(syscall.Errno)) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err)
}

// statePasses judges by SQLSTATE (PostgreSQL documentation, appendix A).
func statePasses(state string) bool {
	switch state {
	case "25006", // a standby, or default_transaction_read_only
		"25P03", "25P04", // the transaction was open for too long
		"40001", "40P01", // it met another one
		"55P03",                   // a lock is held by somebody else
		"57014",                   // cancelled by an administrator or a time limit
		"57P01", "57P02", "57P03", // the server stops, crashed or is starting
		"57P05": // the session was idle for too long
		return true
	}
	// 08: the connection; 53: no room on disk, no memory, too many connections.
	return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53")
}

// unavailableError is an error that passes.
type unavailableError struct{ error }

func (e unavailableError) Unwrap() error        { return e.error }
func (e unavailableError) Is(target error) bool { return target == storage.ErrUnavailable }

// mark makes an error that passes an ErrUnavailable.
func mark(err error) error {
	if err != nil && passes(err) {
		return unavailableError{err}
	}
	return err
}
