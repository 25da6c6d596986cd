package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"math/big"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"shoebox/search"
	"shoebox/storage"
)

// photoAnswer is everything that is known of a photo.
type photoAnswer struct {
	Photo string `json:"photo"`
	storage.JSONPaths
	Name    string `json:"name"` // of the file that /original gives
	Format  string `json:"format,omitempty"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
	Damaged bool   `json:"damaged,omitempty"`

	Caption   string                 `json:"caption"`
	Edited    bool                   `json:"edited"`
	Unsure    bool                   `json:"unsure"`
	Score     float64                `json:"score"`
	Model     string                 `json:"model,omitempty"`
	Others    []storage.OtherCaption `json:"others"`
	LooksLike []likelyWord           `json:"looks_like"`

	TakenAt      string   `json:"taken_at,omitempty"`
	Make         string   `json:"make,omitempty"`
	Camera       string   `json:"camera,omitempty"`
	Lens         string   `json:"lens,omitempty"`
	ExposureTime float64  `json:"exposure_time,omitempty"`
	FNumber      float64  `json:"f_number,omitempty"`
	ISO          int      `json:"iso,omitempty"`
	FocalLength  float64  `json:"focal_length,omitempty"`
	Lat          *float64 `json:"lat,omitempty"`
	Lon          *float64 `json:"lon,omitempty"`
	Title        string   `json:"title,omitempty"`
	Description  string   `json:"description,omitempty"`
	Keywords     []string `json:"keywords,omitempty"`
	People       []string `json:"people,omitempty"`
	Rating       int      `json:"rating,omitempty"`
	// Partial says that the database is away and this is what search knows.
	Partial bool `json:"partial,omitempty"`
}

type likelyWord struct {
	Word        string  `json:"word"`
	Probability float64 `json:"probability"`
}

// newLikelyWord drops digits that say nothing.
func newLikelyWord(word string, p float64) likelyWord {
	return likelyWord{word, math.Round(p*1000) / 1000}
}

// mostWords is how many words that a picture looks like are given.
const mostWords = 12

func photoID(r *http.Request) (storage.PhotoID, error) {
	id, err := storage.ParsePhotoID(r.PathValue("id"))
	if err != nil {
		return id, refuse(http.StatusNotFound, "unknown_photo", "there is no such photo")
	}
	return id, nil
}

// photo answers GET /api/photos/{id}.
func (s *Server) photo(w http.ResponseWriter, r *http.Request) error {
	id, err := photoID(r)
	if err != nil {
		return err
	}
	answer, err := s.describePhoto(r.Context(), id)
	if err != nil {
		return err
	}
	return sendJSON(w, answer)
}

func (s *Server) describePhoto(ctx context.Context, id storage.PhotoID) (photoAnswer, error) {
	change, partial, err := s.lookUp(ctx, id)
	if err != nil {
		return photoAnswer{}, err
	}
	hit, p := search.NewHit(change), change.Photo
	answer := photoAnswer{
		Photo: hit.Photo, JSONPaths: storage.NewJSONPaths(change.Paths), Name: downloadName(change.Paths[0]), Format: p.Format, Width: p.Width, Height: p.Height,
		Damaged: p.Damaged, Caption: p.Text, Edited: p.Edited, Unsure: p.Unsure, Score: hit.Score, Model: p.Model,
		Others: p.Seen.Others, LooksLike: []likelyWord{}, TakenAt: hit.TakenAt, Make: p.Make, Camera: p.Camera,
		Lens: p.Lens, ExposureTime: storage.Finite(p.ExposureTime), FNumber: storage.Finite(p.FNumber), ISO: p.ISO,
		FocalLength: storage.Finite(p.FocalLength), Lat: hit.Lat, Lon: hit.Lon, Title: p.Title, Description: p.Description,
		Keywords: p.Keywords, People: p.People, Rating: p.Rating, Partial: partial,
	}
	if answer.Others == nil {
		answer.Others = []storage.OtherCaption{} // [] and never null
	}
	if p.Seen.Words == nil {
		return answer, nil
	}
	vocabulary, err := s.vocabulary(ctx, p.Seen.Model)
	if err != nil && !errors.Is(err, storage.ErrUnknownModel) {
		return answer, err
	}
	if err == nil {
		answer.LooksLike = looksLike(&vocabulary, p.Seen.Words)
	}
	return answer, nil
}

// downloadName is under which name a browser saves a file.
func downloadName(file string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			return '_'
		}
		return c
	}, path.Base(file))
}

// disposition has a browser show a file, or save it, under its name.
func disposition(kind, file string) string {
	return mime.FormatMediaType(kind, map[string]string{"filename": downloadName(file)})
}

// lookUp returns a photo that a present file shows, of which there is at least
// one path. Where the database is away, search knows a part.
func (s *Server) lookUp(ctx context.Context, id storage.PhotoID) (change storage.Change, partial bool, err error) {
	changes, err := s.Store.PhotosByID(ctx, []storage.PhotoID{id})
	if err == nil && (len(changes) == 0 || len(changes[0].Paths) == 0) {
		err = storage.ErrUnknownPhoto
	}
	if err == nil {
		return changes[0], false, nil
	}
	if !errors.Is(err, storage.ErrUnavailable) {
		return change, false, err
	}
	// Documents are in the order of their IDs.
	hits, searchErr := s.Index.Documents(ctx, before(id), 1)
	if searchErr != nil || len(hits) == 0 || hits[0].Photo != id.String() {
		return change, false, err
	}
	return changeOf(id, hits[0]), true, nil
}

// before is the ID in front of another, as text.
func before(id storage.PhotoID) string {
	n := new(big.Int).SetBytes(id[:])
	if n.Sign() == 0 {
		return ""
	}
	var previous storage.PhotoID
	n.Sub(n, big.NewInt(1)).FillBytes(previous[:])
	return previous.String()
}

// changeOf is what a search knows of a photo.
func changeOf(id storage.PhotoID, hit search.Hit) storage.Change {
	p := storage.Photo{ID: id, Width: hit.Width, Height: hit.Height}
	p.Text, p.Edited, p.Unsure, p.Score = hit.Caption, hit.Edited, hit.Unsure, hit.Score
	p.Camera, p.Title, p.Description = hit.Camera, hit.Title, hit.Description
	p.Keywords, p.People, p.Rating = hit.Keywords, hit.People, hit.Rating
	if hit.Lat != nil && hit.Lon != nil {
		p.Location = &storage.Location{Lat: *hit.Lat, Lon: *hit.Lon}
	}
	if at, err := time.Parse(time.RFC3339, hit.TakenAt); err == nil {
		_, offset := at.Zone()
		p.Taken.Clock = at.Add(time.Duration(offset) * time.Second).UTC()
		if !strings.HasSuffix(hit.TakenAt, "-00:00") {
			minutes := offset / 60
			p.Taken.Offset = &minutes
		}
	}
	return storage.Change{Photo: p, Paths: hit.Paths}
}

func (s *Server) vocabulary(ctx context.Context, model string) (storage.Vocabulary, error) {
	if known, ok := s.vocabularies.Load(model); ok {
		return known.(storage.Vocabulary), nil
	}
	vocabulary, err := s.Store.Vocabulary(ctx, model)
	if err == nil {
		s.vocabularies.Store(model, vocabulary)
	}
	return vocabulary, err
}

// looksLike are the picture words that tell most about a photo, by probability
// times log-odds, as captioner.LooksLike has them of a picture.
func looksLike(v *storage.Vocabulary, evidence []byte) []likelyWord {
	type telling struct {
		likelyWord
		tells float64
	}
	var likelier []telling
	for word, e := range evidence[:min(len(evidence), len(v.Words))] {
		nats := storage.EvidenceNats(e)
		if nats <= 0 || len(v.Words[word].Forms) == 0 {
			continue
		}
		p := v.Probability(word, e)
		likelier = append(likelier, telling{newLikelyWord(v.Words[word].Forms[0], p), p * nats})
	}
	slices.SortStableFunc(likelier, func(a, b telling) int { return cmp.Compare(b.tells, a.tells) })
	words := []likelyWord{}
	for _, word := range likelier[:min(len(likelier), mostWords)] {
		words = append(words, word.likelyWord)
	}
	return words
}

// mostCaption is how long a caption by a person may be, in characters.
const mostCaption = 2000

// findableWithin is how long an edit waits until search shows it. Longer than
// that it shows later, as when the index is being built.
const findableWithin = 3 * time.Second

// editPhoto answers PATCH /api/photos/{id}.
func (s *Server) editPhoto(w http.ResponseWriter, r *http.Request) error {
	id, err := photoID(r)
	if err != nil {
		return err
	}
	caption, err := readEdit(w, r)
	if err != nil {
		return err
	}
	if caption == nil {
		err = s.Store.UndoEdit(r.Context(), id)
	} else {
		err = s.Store.EditCaption(r.Context(), id, *caption)
	}
	if err != nil {
		return err
	}
	s.catchUp(r.Context())
	answer, err := s.describePhoto(r.Context(), id)
	if err != nil {
		return err
	}
	return sendJSON(w, answer)
}

// catchUp makes a change findable. It has been made: that search shows it later
// is no error.
func (s *Server) catchUp(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, findableWithin)
	defer stop()
	if err := s.Index.CatchUp(ctx); err != nil {
		slog.Warn("search shows a change only later", "error", err)
	}
}

// readEdit reads {"caption": TEXT}; nil for null, which undoes.
func readEdit(w http.ResponseWriter, r *http.Request) (*string, error) {
	var edit struct {
		Caption json.RawMessage `json:"caption"`
	}
	if err := readJSON(w, r, &edit); err != nil {
		return nil, err
	}
	if edit.Caption == nil {
		return nil, refuse(http.StatusBadRequest, "bad_request", `want {"caption": "text"}, or null to undo an edit`)
	}
	var caption *string
	if err := json.Unmarshal(edit.Caption, &caption); err != nil {
		return nil, refuse(http.StatusBadRequest, "bad_request", "caption: want a text or null")
	}
	if caption == nil {
		return nil, nil
	}
	*caption = strings.Join(strings.Fields(*caption), " ")
	switch n := utf8.RuneCountInString(*caption); {
	case n == 0:
		return nil, refuse(http.StatusBadRequest, "bad_request", "caption: the text is empty; null undoes an edit")
	case n > mostCaption:
		return nil, refuse(http.StatusBadRequest, "bad_request", "caption: %d characters; at most %d are kept", n, mostCaption)
	case strings.ContainsFunc(*caption, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return nil, refuse(http.StatusBadRequest, "bad_request", "caption: it holds control characters")
	}
	return caption, nil
}

// readJSON reads a small object.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "not_json", "want Content-Type: application/json")
	}
	body, err := readAll(w, r, 1<<20)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || decoder.More() {
		return refuse(http.StatusBadRequest, "bad_request", "the body is not the JSON object that is wanted here")
	}
	return nil
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }
