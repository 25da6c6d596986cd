package storage

import (
	"encoding/hex"
	"fmt"
	"time"
)

// PhotoID identifies a photo: the SHA-256 of the bytes of its file.
type PhotoID [32]byte

// String returns the hexadecimal form that users see.
func (id PhotoID) String() string { return hex.EncodeToString(id[:]) }

// ParsePhotoID reads the form that String writes.
func ParsePhotoID(s string) (PhotoID, error) {
	var id PhotoID
	if b, err := hex.DecodeString(s); err != nil || copy(id[:], b) != len(id) || len(b) != len(id) {
		return PhotoID{}, fmt.Errorf("%q is not a photo: want 64 hexadecimal digits", s)
	}
	return id, nil
}

// Metadata is what a camera or a program wrote into a picture. The zero
// value of each field means that the file does not say.
type Metadata struct {
	Taken        Taken
	Make         string
	Camera       string // make and model as people say it, "Canon EOS 40D"
	Lens         string
	ExposureTime float64 // seconds
	FNumber      float64
	ISO          int
	FocalLength  float64   // millimetres
	Location     *Location // nil: none
	// What people wrote into the file.
	Title       string
	Description string
	Keywords    []string
	People      []string // the names of those who are shown
	Rating      int      // stars, 1 to 5; 0: not rated
}

// Taken is the moment a picture was taken, as the camera's clock showed it.
type Taken struct {
	// Clock is the wall clock time, in UTC whatever the zone was, so that
	// it never shifts. Zero: unknown.
	Clock time.Time
	// Offset is the zone's distance from UTC in minutes; nil: the file does
	// not say, which is usual.
	Offset *int
}

// IsZero reports whether the moment is unknown.
func (t Taken) IsZero() bool { return t.Clock.IsZero() }

// String writes RFC 3339; an unknown offset is written -00:00 (RFC 3339,
// section 4.3). It is empty when the moment is unknown.
func (t Taken) String() string {
	switch {
	case t.IsZero():
		return ""
	case t.Offset == nil:
		return t.Clock.Format("2006-01-02T15:04:05") + "-00:00"
	default:
		zone := time.FixedZone("", *t.Offset*60)
		c := t.Clock
		return time.Date(c.Year(), c.Month(), c.Day(), c.Hour(), c.Minute(), c.Second(), 0, zone).
			Format(time.RFC3339)
	}
}

// Location is a place on Earth in degrees, WGS 84.
type Location struct{ Lat, Lon float64 }

// Photo is everything known about one content, whatever its files.
//
// What the sidecars of its files say is in the Metadata of a Change, where the
// files are, and of no other Photo.
type Photo struct {
	ID     PhotoID
	Pixels [32]byte // SHA-256 of the upright pixels that the model saw
	// Format is "jpeg", "png", "webp", "gif", "tiff", "bmp", "heic", "avif" or a
	// raw file's: "arw", "cr2", "cr3", "dng", "nef", "orf", "pef", "raf", "rw2",
	// and "raw" for that of an unknown camera.
	Format string
	Width  int // upright, pixels
	Height int
	// Damaged says that the file was cut off and part of the picture is
	// missing.
	Damaged bool
	Metadata
	Caption
	Seen Seen
}

// Caption is a sentence about a picture and who wrote it.
type Caption struct {
	Text   string
	Score  float64 // how sure the model is, nats a token, at most 0 (model.json says how it counts); 0 for a person's
	Unsure bool    // the score is below the model's threshold
	Model  string  // hash of the model that wrote it
	// Edited says that a person wrote Text: no model ever replaces it.
	Edited bool
}
