package search

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"shoebox/storage"
)

// Hit is a photo that was found. Its JSON is what `search --json` prints: the
// fields below, and `path`, the first of Paths, with `paths`. Where one of
// them is not UTF-8, replacement characters stand in both and the exact bytes
// in `path_b64` and `paths_b64`.
type Hit struct {
	// Paths are the absolute paths of all files with this content, sorted; there
	// is at least one. Those of a raw file beside a JPEG of the same name, which
	// is the same shot, follow behind the JPEG's.
	Paths   []string `json:"-"`
	Caption string   `json:"caption"`
	// Unsure says that the model doubts its caption.
	Unsure bool `json:"unsure"`
	// Score is the caption's (storage.Caption).
	Score float64 `json:"score"`
	// TakenAt is RFC 3339, by the camera's clock, with -00:00 for an unknown
	// offset; empty: unknown.
	TakenAt string   `json:"taken_at,omitempty"`
	Camera  string   `json:"camera,omitempty"`
	Lat     *float64 `json:"lat,omitempty"` // degrees, WGS 84; nil: unknown
	Lon     *float64 `json:"lon,omitempty"`
	Width   int      `json:"width"` // upright, pixels
	Height  int      `json:"height"`
	Photo   string   `json:"photo"` // hexadecimal SHA-256 of the content

	Edited      bool     `json:"edited,omitempty"` // a person wrote the caption
	Others      []string `json:"others,omitempty"` // captions that the model did not choose
	Title       string   `json:"title,omitempty"`  // what people wrote into the file
	Description string   `json:"description,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
	People      []string `json:"people,omitempty"`
	Rating      int      `json:"rating,omitempty"` // 1 to 5 stars
	// Seen names what the model saw in the picture, by a checksum.
	Seen string `json:"seen,omitempty"`

	// What a search says of the photo, and Documents does not.

	// Why says by what the photo was found, such as "caption" or "looks like:
	// dog, snow".
	Why []string `json:"why,omitempty"`
	// Possible photos only may show what is wanted.
	Possible bool `json:"possible,omitempty"`
	// Relevance orders the hits of one query, in nats; Marks are the words of
	// Caption that the query asked for, in order.
	Relevance float64 `json:"relevance,omitempty"`
	Marks     []Span  `json:"marks,omitempty"`
}

// Span is a part of a text, in bytes: text[Start:End].
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// NewHit is a change as its photo is found once it has been projected.
func NewHit(c storage.Change) Hit {
	p := c.Photo
	hit := Hit{
		Paths: c.Paths, Caption: p.Text, Unsure: p.Unsure, TakenAt: p.Taken.String(),
		Camera: p.Camera, Width: p.Width, Height: p.Height, Photo: p.ID.String(),
		Score:  storage.Finite(p.Score),
		Edited: p.Edited, Title: p.Title, Description: p.Description, Keywords: p.Keywords, People: p.People,
		Rating: p.Rating,
	}
	for _, other := range p.Seen.Others {
		hit.Others = append(hit.Others, other.Text)
	}
	if p.Seen.Words != nil {
		hit.Seen = fmt.Sprintf("%s %08x", p.Seen.Model[:min(len(p.Seen.Model), 8)], crc32.ChecksumIEEE(p.Seen.Words))
	}
	if l := p.Location; l != nil && *l == (storage.Location{Lat: storage.Finite(l.Lat), Lon: storage.Finite(l.Lon)}) {
		hit.Lat, hit.Lon = &l.Lat, &l.Lon
	}
	return hit
}

// plainHit is a Hit with the JSON of its tags.
type plainHit Hit

type hitJSON struct {
	storage.JSONPaths
	plainHit
}

// MarshalJSON writes the object that Hit describes.
func (h Hit) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // paths hold "&"
	err := encoder.Encode(hitJSON{storage.NewJSONPaths(h.Paths), plainHit(h)})
	return bytes.TrimSpace(out.Bytes()), err
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Hit) UnmarshalJSON(data []byte) error {
	var object hitJSON
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*h = Hit(object.plainHit)
	h.Paths = object.Exact()
	return nil
}
