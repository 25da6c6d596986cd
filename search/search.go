// Package search finds photos by words: an index of what is said about them
// and of what their pictures show, the projection that keeps it equal to
// storage's change feed, and the socket over which the process that holds the
// index answers for everybody.
//
// Bleve keeps the texts; package columns what is compared for every photo: the
// evidence for each picture word, and dates, places and other facts. Both are
// written from the same change feed, with one cursor.
//
// The index can be deleted at any time and is built again from the feed. It
// never knows what storage does not, and searching never needs a database:
// all that a result shows is stored in the index.
//
// One process at a time holds an index (OpenWriter): it projects and serves.
// Everybody else asks it over the socket or, when it is not there, opens the
// index read-only (Open does whichever works). The folder of an index holds
//
//	lock      locked exclusively by the holder, shared by readers; in it, the
//	          path of the holder's socket
//	current   a link to the generation that is searched
//	gen-N     a generation: a Bleve index and, in columns, the columns. The
//	          next one is built beside it and takes its place when complete
//	damaged   if a search met damage: the next projection builds anew
//
// Beside that folder, synonyms.txt may hold a person's own (newSynonyms).
package search

import (
	"context"
	"errors"

	"shoebox/search/query"
	"shoebox/storage"
)

// Errors that callers tell apart. They come wrapped, with the folder and what
// to do.
var (
	// ErrNoIndex means that nothing was indexed yet.
	ErrNoIndex = errors.New("there is no search index yet")
	// ErrLocked means that another process holds the index.
	ErrLocked = errors.New("the search index is in use")
	// ErrDamaged means that the index cannot be read. Project builds it again.
	ErrDamaged = errors.New("the search index is damaged")
	// ErrOutdated means that the index has the form of another version of
	// shoebox. Project builds it again.
	ErrOutdated = errors.New("the search index was made by another version of shoebox")
	// ErrBuilding means that a damaged or outdated index has to be built again
	// and nothing of it is there yet, or not enough for the question.
	ErrBuilding = errors.New("the search index is being built again")
)

// UseError is a request that cannot be answered because of what it asks.
type UseError struct{ Text string }

func (e *UseError) Error() string { return e.Text }

// Request is a question to an index.
type Request struct {
	Query query.Query
	// Similar ranks the alternatives of an OR by their sum: the more of them a
	// photo shows, the better (query.Similar).
	Similar  bool
	TextOnly bool   // pictures are not asked, only texts
	Limit    int    // how many Hits are wanted
	After    string // a Result's Next: the Hits behind those
	Facets   bool   // are wanted
}

// Searcher answers queries. Its methods may be called by many goroutines.
type Searcher interface {
	// Search returns the best photos and how many match in all. The order is
	// total, so that it is the same each time. A *UseError says what is wrong
	// with the request.
	Search(ctx context.Context, r Request) (Result, error)
	// Info says what the index holds.
	Info(ctx context.Context) (Info, error)
	// Documents returns the first limit photos behind the one of that ID
	// (empty: from the beginning) in the order of their IDs, as NewHit makes
	// them: all that the index holds, page by page.
	Documents(ctx context.Context, after string, limit int) ([]Hit, error)
	Close() error
}

// Result is the answer to a query.
type Result struct {
	Total uint64 `json:"total"` // photos that match
	// Possible counts photos that may show what is wanted, less likely. It is
	// known only when there are fewer others than were asked for; they come
	// behind those.
	Possible uint64    `json:"possible,omitempty"`
	Hits     []Hit     `json:"hits"`              // the best of them
	Next     string    `json:"next,omitempty"`    // where the next Request goes on; empty: these are all
	Facets   *Facets   `json:"facets,omitempty"`  // of the photos that match; nil: not asked for
	Nearest  []Nearest `json:"nearest,omitempty"` // when none matches: queries that find something
	// Building is set while there is no whole index: Hits are from the part
	// that has been built again so far.
	Building *Building `json:"building,omitempty"`
}

// Building says how far an index is that is being built.
type Building struct {
	Photos int64 `json:"photos"` // that it holds so far
}

// Info is what an index holds.
type Info struct {
	Photos uint64         `json:"photos"` // that can be found
	Cursor storage.Cursor `json:"cursor"` // how far the change feed was followed
}

// Feed is what a projection reads: storage's change feed. A zero cursor is
// never a Restart.
type Feed interface {
	Changes(ctx context.Context, after storage.Cursor, limit int) (storage.Changes, error)
	// Vocabulary returns that of a model; storage.ErrUnknownModel if it has
	// none.
	Vocabulary(ctx context.Context, model string) (storage.Vocabulary, error)
}
