package query

import (
	"fmt"
	"strings"
)

// Error says why a query cannot be read, and where.
type Error struct {
	Query string
	// At is the place, counted in characters from 1.
	At  int
	Msg string
}

func (e *Error) Error() string { return fmt.Sprintf("%s at %d", e.Msg, e.At) }

// Mark returns the query with a caret under the place, in two lines, for a
// terminal. Control characters are shown as spaces.
func (e *Error) Mark() string {
	visible := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, e.Query)
	return visible + "\n" + strings.Repeat(" ", e.At-1) + "^"
}
