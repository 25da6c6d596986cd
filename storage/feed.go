package storage

import "time"

// Cursor is a place in the change feed. The zero Cursor is its beginning.
type Cursor struct {
	// Epoch names the database's contents; a restore renews it. A reader
	// whose epoch differs must start again from the beginning.
	Epoch string  `json:"epoch"`
	XID   uint64  `json:"xid"`
	Photo PhotoID `json:"photo"`
}

// Change is a photo as search should now show it.
type Change struct {
	Photo Photo
	// Paths are the absolute paths of the present files with this content,
	// sorted. Empty: the photo must leave the index.
	Paths []string
	// Roots are the folders that were asked for, by which each of Paths was
	// found: the outermost, when one is in another.
	Roots []string
}

// Edit is a caption that a person wrote.
type Edit struct {
	Photo   PhotoID
	Caption string
	At      time.Time
	// Paths are the absolute paths of the files with this content, sorted,
	// missing ones too: an edit outlives its file.
	Paths []string
}

// Changes is a stretch of the change feed.
type Changes struct {
	Items []Change
	Next  Cursor // where the next call goes on
	// Restart says that the cursor was of another epoch: Items begin the
	// feed anew, and what the reader holds must go.
	Restart bool
	// More says that another call would find something at once.
	More bool
}

// Lag is what a reader of the change feed does not know yet.
type Lag struct {
	// Restart says that the cursor was of another epoch: the reader has to read
	// everything again, and everything counts.
	Restart bool
	// Photos changed since; at most as many as were asked for are counted.
	Photos int
	// HeldBack are those of Photos that come through the feed only when a
	// transaction that is still open has ended.
	HeldBack int
}
