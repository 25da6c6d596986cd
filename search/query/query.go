// Package query is shoebox's query language: text to a tree and back. It
// knows nothing of indexes; package search gives the tree its meaning.
//
// The grammar, where space is any run of Unicode white space:
//
//	query   = [space] clause { space clause } [space] .   // joined by AND
//	clause  = [ "-" ] atom .                              // "-" leaves out
//	atom    = phrase | field | word .
//	phrase  = quote { any character but a quote } quote . // holds a letter or digit
//	field   = "taken:" ( date | [ date ] ".." [ date ] )  // at least one date
//	        | "camera:" ( word | phrase ) .
//	date    = YYYY [ "-" MM [ "-" DD ] ] .                // a day of the calendar
//	word    = a run of characters that are neither space nor quote nor one of
//	          ( ) : * ~ , with a letter or digit, beginning with none of - ! and
//	          the dashes, and neither OR nor NOT in capitals.
//	quote   = one of " “ ” „ .
//
// Names of fields may be written in capitals. What product.md promises beyond
// this (OR, parentheses, *, ~, lens:, folder:, name:, near:, iso:, has:, by:,
// sort:) is refused by name. Whatever cannot be read is an *Error with its
// place, never a guess.
package query

import (
	"fmt"
	"strings"
)

// Node is a part of a query. Its String parses to an equal Node.
type Node interface {
	fmt.Stringer
	node()
}

// And holds for a photo when all its Nodes do. There are at least two.
type And struct{ Nodes []Node }

// Not holds for a photo when its Node does not. The Node is not another Not.
type Not struct{ Node Node }

// Word is a free word as typed, not yet stemmed.
type Word struct{ Text string }

// Phrase is words that must stand beside each other in this order.
type Phrase struct{ Text string }

// Taken is a span of time by the camera's clock, both ends included. An open
// end is the zero Date; they are not both open.
type Taken struct{ From, To Date }

// Camera is words in a camera's name, beside each other in this order.
type Camera struct{ Text string }

// Date is a year, a month or a day: Month is 0 in a year, Day in a month.
type Date struct{ Year, Month, Day int }

func (And) node()    {}
func (Not) node()    {}
func (Word) node()   {}
func (Phrase) node() {}
func (Taken) node()  {}
func (Camera) node() {}

func (n And) String() string {
	parts := make([]string, len(n.Nodes))
	for i, part := range n.Nodes {
		parts[i] = part.String()
	}
	return strings.Join(parts, " ")
}

func (n Not) String() string { return "-" + n.Node.String() }

func (n Word) String() string { return n.Text }

func (n Phrase) String() string { return `"` + n.Text + `"` }

func (n Taken) String() string {
	if n.From == n.To {
		return "taken:" + n.From.String()
	}
	return "taken:" + n.From.String() + ".." + n.To.String()
}

func (n Camera) String() string {
	if wordError(n.Text) == "" {
		return "camera:" + n.Text
	}
	return `camera:"` + n.Text + `"`
}

// IsZero reports whether d stands for an open end.
func (d Date) IsZero() bool { return d == Date{} }

func (d Date) String() string {
	switch {
	case d.IsZero():
		return ""
	case d.Month == 0:
		return fmt.Sprintf("%04d", d.Year)
	case d.Day == 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	default:
		return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
	}
}

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
