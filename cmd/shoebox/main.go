// Command shoebox gives every photo of a library a caption and finds photos
// by words.
//
// Each command is a file: flags in, one call into the packages that do the
// work, output. Nothing here decides anything about photos.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit codes are a contract with scripts.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitSomeFailed = 3 // done, but some photos failed
)

// lastResort is how long after the first Ctrl-C the process ends whatever
// it is doing. Killed at any moment, nothing is lost.
const lastResort = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an end; with the handler gone, the second
	// one ends the process at once, as that signal does (a shell says 130
	// for Ctrl-C).
	context.AfterFunc(ctx, stop)
	// A read from a dead network disk cannot be interrupted.
	context.AfterFunc(ctx, func() {
		time.AfterFunc(lastResort, func() { os.Exit(exitFailed) })
	})
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root, parsed := newRoot()
	root.SetArgs(keepNegations(root, args))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var some *someFailedError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &some):
		if some.message != "" {
			fmt.Fprintln(stderr, some.message)
		}
		return exitSomeFailed
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(stderr, "shoebox: stopped; the same command goes on from here")
		return exitFailed
	}
	fmt.Fprintln(stderr, "shoebox:", err)
	var usage *usageError
	if !*parsed || errors.As(err, &usage) {
		fmt.Fprintln(stderr, "`shoebox --help` lists commands and flags")
		return exitUsage
	}
	return exitFailed
}

// usageError is a command line that cannot be carried out as written.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// someFailedError says that a command is done but some photos failed.
type someFailedError struct{ message string }

func (e *someFailedError) Error() string { return e.message }
