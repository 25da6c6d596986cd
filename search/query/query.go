// Package query is shoebox's query language: text to a tree and back. It
// knows nothing of indexes and reads no files; package search gives the tree
// its meaning.
//
// The grammar, where space is any run of Unicode white space. "OR" is an
// operator only as a whole word in capitals; AND has no operator and binds
// tighter than OR.
//
//	query   = [space] ( either | sort ) [space] .          // a sort alone: every photo
//	either  = every { space "OR" space every } .
//	every   = clause { space clause } .                    // all of them
//	clause  = [ "-" ] atom .                               // "-" leaves out
//	atom    = group | phrase | album | field | free .
//	group   = "(" [space] either [space] ")" .             // nested at most 50 deep
//	phrase  = quote { any character but a quote } quote .  // holds a letter or digit
//	album   = "@" name .                                   // a saved query
//	name    = one or more letters, digits, "-" or "_" .
//	free    = word [ "*" | "~" ] .                         // beginning with; spelled nearly so
//	word    = a run of characters that are neither space nor quote nor one of
//	          ( ) : * ~ , with a letter or digit, beginning with none of - ! @
//	          and the dashes, and neither OR nor NOT in capitals. Before "*"
//	          and "~" it has at least two letters or digits, and may be OR or
//	          NOT.
//	quote   = one of " “ ” „ .
//
//	field   = ( "camera:" | "lens:" | "folder:" | "name:" ) ( text [ "*" ] | phrase )
//	        | "taken:" ( date | [ date ] ".." [ date ] )   // at least one date
//	        | "near:" lat "," lon [ "," radius ]           // radius 10km if not given
//	        | "box:" lat "," lon "," lat "," lon           // south, west, north, east
//	        | ( "iso:" | "f:" | "exposure:" | "focal:" | "width:" | "height:" ) range
//	        | "has:" ( "camera" | "caption" | "date" | "exposure" | "gps" | "keywords" | "lens" | "people" | "title" )
//	        | "by:" ( "me" | "model" ) .
//	text    = as word, but it may be OR or NOT and may begin with "@" .
//	date    = YYYY [ "-" MM [ "-" DD ] ] .                 // a day of the calendar
//	lat     = [ "-" ] number .                             // degrees north, at most 90
//	lon     = [ "-" ] number .                             // degrees east, at most 180
//	radius  = number ( "m" | "km" | "mi" ) .               // more than 0m, at most 20040km
//	range   = value | ( ">" | ">=" | "<" | "<=" ) value | [ value ] ".." [ value ] . // at least one
//	value   = number .                                     // 800
//	        | number [ "mm" ]                              // of focal:
//	        | number [ "px" ]                              // of width: and height:
//	        | number [ "/" number ] [ "s" ]                // of exposure:
//	number  = digits [ "." digits ] .                      // at most 1e9
//	sort    = "sort:" ( "relevance" | "date" | "oldest" | "name" ) .
//
// Beside any clause outside of the groups a sort may stand too, one in a query
// at most; it is no side of an OR. Names of fields and the fixed words after
// has:, by: and sort: may be written in capitals. A query has at most 100
// atoms that are not groups. An atom ends at a space, at a closing parenthesis
// or with the query. Whatever cannot be read is an *Error with its place,
// never a guess.
package query

import "fmt"

// Query is what to look for and in which order to show it.
type Query struct {
	Root Node // nil: every photo
	Sort Sort
}

// Sort is an order of results.
type Sort string

// The orders of results, by what follows "sort:".
const (
	ByRelevance Sort = "" // written "relevance" or nothing
	ByDate      Sort = "date"
	ByOldest    Sort = "oldest"
	ByName      Sort = "name"
)

// Node is a part of a query. What Parse, Expand and Similar make, String
// prints so that it parses to an equal Node.
type Node interface {
	fmt.Stringer
	node()
}

// And holds for a photo when all its Nodes do. There are at least two, none of
// them an And.
type And struct{ Nodes []Node }

// Or holds for a photo when any of its Nodes does. There are at least two,
// none of them an Or.
type Or struct{ Nodes []Node }

// Not holds for a photo when its Node does not. The Node is not another Not.
type Not struct{ Node Node }

// Word is a free word as typed, not yet stemmed.
type Word struct{ Text string }

// Prefix is the beginning of a free word, without the "*".
type Prefix struct{ Text string }

// Fuzzy is a free word that may be spelled wrongly, without the "~".
type Fuzzy struct{ Text string }

// Phrase is words that must stand beside each other in this order.
type Phrase struct{ Text string }

// Named is a word, or words beside each other in this order, in what Field
// names. With Prefix the last of them is only its beginning.
type Named struct {
	Field  Field
	Text   string
	Prefix bool
}

// Field is a text that is not a caption: what stands before the colon.
type Field string

// The fields of Named.
const (
	Camera Field = "camera" // maker and model
	Lens   Field = "lens"
	Folder Field = "folder" // any part of the path of the folder
	Name   Field = "name"   // of the file, without its folder
)

// Taken is a span of time by the camera's clock, both ends included. An open
// end is the zero Date; they are not both open.
type Taken struct{ From, To Date }

// Date is a year, a month or a day: Month is 0 in a year, Day in a month.
type Date struct{ Year, Month, Day int }

// Near is a circle on the globe: the degrees north and east of its centre,
// and Radius in metres.
type Near struct{ Lat, Lon, Radius float64 }

// Box is a part of the globe in degrees, its borders included. One with West
// greater than East crosses the date line.
type Box struct{ South, West, North, East float64 }

// Range is the values a number may have. An end that was not given is
// infinite. MinOpen and MaxOpen leave out Min and Max themselves; then the
// other end is infinite.
//
// One value of what a camera measures (FNumber, Exposure, Focal) stands for
// the values within 2 % of it, because cameras round: f:2.8 finds 2.83. The
// ends of a range are taken as they are.
type Range struct {
	Number           Number
	Min, Max         float64
	MinOpen, MaxOpen bool
}

// Number is a figure of a photo: what stands before the colon.
type Number string

// The figures of Range.
const (
	ISO      Number = "iso"      // the sensor's sensitivity
	FNumber  Number = "f"        // focal length divided by aperture
	Exposure Number = "exposure" // seconds
	Focal    Number = "focal"    // millimetres, as the lens says
	Width    Number = "width"    // pixels, as shown
	Height   Number = "height"   // pixels, as shown
)

// Has holds for photos that have What, one of these: camera, caption, date,
// exposure, gps, keywords, lens, people, title.
type Has struct{ What string }

// By tells whose caption a photo has: one that a person wrote (Me) or the
// model's.
type By struct{ Me bool }

// Album is a saved query. Expand puts the query in its place.
type Album struct{ Name string }

func (And) node()    {}
func (Or) node()     {}
func (Not) node()    {}
func (Word) node()   {}
func (Prefix) node() {}
func (Fuzzy) node()  {}
func (Phrase) node() {}
func (Named) node()  {}
func (Taken) node()  {}
func (Near) node()   {}
func (Box) node()    {}
func (Range) node()  {}
func (Has) node()    {}
func (By) node()     {}
func (Album) node()  {}

// allOf joins nodes by AND; none is nil, one is itself.
func allOf(nodes []Node) Node {
	var flat []Node
	for _, n := range nodes {
		if and, ok := n.(And); ok {
			flat = append(flat, and.Nodes...)
		} else {
			flat = append(flat, n)
		}
	}
	switch len(flat) {
	case 0:
		return nil
	case 1:
		return flat[0]
	default:
		return And{flat}
	}
}

// anyOf joins nodes by OR; none is nil, one is itself.
func anyOf(nodes []Node) Node {
	var flat []Node
	for _, n := range nodes {
		if or, ok := n.(Or); ok {
			flat = append(flat, or.Nodes...)
		} else {
			flat = append(flat, n)
		}
	}
	switch len(flat) {
	case 0:
		return nil
	case 1:
		return flat[0]
	default:
		return Or{flat}
	}
}

// noneOf is what holds when n does not.
func noneOf(n Node) Node {
	if not, ok := n.(Not); ok {
		return not.Node
	}
	return Not{n}
}
