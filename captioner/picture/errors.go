package picture

import "fmt"

// Error is why a file gave no picture.
type Error struct {
	// Code is short and stable, for scripts and counts:
	//
	//	empty          the file holds no bytes
	//	not-a-picture  the bytes are not of any picture format we know
	//	unsupported    a picture, of a kind that cannot be decoded yet
	//	truncated      the file ends before enough of the picture is there
	//	too-large      decoding would take more memory or pixels than allowed
	//	broken         the picture contradicts itself
	//	wrong-size     the caller asked for an impossible size
	Code string
	// Unsupported says that a later version may read the file: it is asked
	// again when DecoderVersion rises. Everything else stays failed until
	// the file changes.
	Unsupported bool
	// Text says for people what is wrong with the file and, where there is
	// something, what to do. It does not name the file.
	Text string

	cause error
}

func (e *Error) Error() string { return e.Text }

// Unwrap returns the decoder's own error, if there was one.
func (e *Error) Unwrap() error { return e.cause }

func fail(code string, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...), cause: cause}
}

func unsupported(cause error, format string, args ...any) *Error {
	e := fail("unsupported", cause, format, args...)
	e.Unsupported = true
	return e
}
