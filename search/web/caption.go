package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"time"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/storage"
)

const (
	// mostUpload is how many bytes a picture to caption may have.
	mostUpload = 64 << 20
	// mostForm is that with the form around it.
	mostForm = mostUpload + 64<<10
	// modelPatience is how long a picture waits for others to be captioned, or
	// for the model to be loaded, which may have to be fetched the first time.
	modelPatience = 2 * time.Minute
)

// captionAnswer is what the model says of a picture.
type captionAnswer struct {
	Caption   string                 `json:"caption"`
	Score     float64                `json:"score"`
	Unsure    bool                   `json:"unsure"`
	Damaged   bool                   `json:"damaged,omitempty"`
	Width     int                    `json:"width"`
	Height    int                    `json:"height"`
	Model     string                 `json:"model"`
	ModelName string                 `json:"model_name"`
	Others    []storage.OtherCaption `json:"others"`
	LooksLike []likelyWord           `json:"looks_like"`
	// Looks says where the model looked; nil: it does not tell.
	Looks *looksAnswer `json:"looks,omitempty"`
}

// looksAnswer has for each word of the caption how much of the model's attention
// each cell of the picture got.
type looksAnswer struct {
	Columns int          `json:"columns"`
	Rows    int          `json:"rows"`
	Words   []lookAnswer `json:"words"`
}

type lookAnswer struct {
	Word  string    `json:"word"`
	Start int       `json:"start"` // caption[start:end], in bytes
	End   int       `json:"end"`
	Share []float64 `json:"share"` // row by row from the top left; the sum is 1
}

// captionAsSeed answers POST /caption with the caption alone.
func (s *Server) captionAsSeed(w http.ResponseWriter, r *http.Request) error {
	answer, err := s.captionUpload(w, r)
	if err != nil {
		return err
	}
	return sendJSON(w, map[string]string{"caption": answer.Caption})
}

// caption answers POST /api/caption.
func (s *Server) caption(w http.ResponseWriter, r *http.Request) error {
	answer, err := s.captionUpload(w, r)
	if err != nil {
		return err
	}
	return sendJSON(w, answer)
}

// captionUpload captions a picture that came with a request. Nothing of it is
// stored.
func (s *Server) captionUpload(w http.ResponseWriter, r *http.Request) (captionAnswer, error) {
	// Whoever finds no place at once has not sent its picture yet.
	if !s.uploads.TryAcquire(1) {
		return captionAnswer{}, later(http.StatusTooManyRequests, 2*time.Second, "too_many_requests",
			"%d pictures are being captioned already: try again in a moment", mostUploads)
	}
	defer s.uploads.Release(1)
	data, err := readPicture(w, r)
	if err != nil {
		return captionAnswer{}, err
	}
	ctx, stop := context.WithTimeout(r.Context(), modelPatience)
	defer stop()
	began := time.Now()
	answer, err := s.captionPicture(ctx, data)
	if err == nil {
		s.metrics.captioned.Observe(time.Since(began).Seconds())
	}
	return answer, err
}

// readPicture reads the field "file" of a multipart form.
func readPicture(w http.ResponseWriter, r *http.Request) (data []byte, err error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, refuse(http.StatusUnsupportedMediaType, "not_multipart", `want a form (multipart/form-data) with a picture in its field "file"`)
	}
	err = readWithin(w, r, mostForm, largeBody, func() error {
		form, err := r.MultipartReader()
		if err != nil {
			return err
		}
		data, err = readField(form, "file")
		return err
	})
	var known *problem
	var large *http.MaxBytesError
	switch {
	case err == nil, errors.As(err, &known):
		return data, err
	case errors.As(err, &large):
		return nil, refuse(http.StatusRequestEntityTooLarge, "too_large", "a picture to caption may have %d MB", mostUpload>>20)
	}
	return nil, refuse(http.StatusBadRequest, "bad_request", "the form ends before its end, or is none: %v", err)
}

func readField(form *multipart.Reader, name string) ([]byte, error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, refuse(http.StatusBadRequest, "no_file", `the form has no field %q with a picture`, name)
		}
		if err != nil {
			return nil, err
		}
		if part.FormName() != name {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(part, mostUpload+1))
		if err == nil && len(data) > mostUpload {
			err = &http.MaxBytesError{Limit: mostUpload}
		}
		return data, err
	}
}

func (s *Server) captionPicture(ctx context.Context, data []byte) (captionAnswer, error) {
	model, err := s.loadModel(ctx)
	if err != nil {
		return captionAnswer{}, err
	}
	pic, err := inBackground(ctx, s.pictures.places, func(ctx context.Context) (picture.Picture, error) {
		return s.pictures.decode(ctx, data, model.Size())
	})
	if err != nil {
		return captionAnswer{}, tooBusy(ctx, err)
	}
	if err := s.model.Acquire(ctx, 1); err != nil {
		return captionAnswer{}, err
	}
	defer s.model.Release(1)
	explained, err := model.Explain(pic.Pixels)
	if err != nil && !errors.Is(err, captioner.ErrNoLooks) {
		return captionAnswer{}, err
	}
	answer := describe(model, explained.Description)
	if err == nil {
		answer.Looks = looksOf(explained)
	}
	answer.Damaged, answer.Width, answer.Height = pic.Damaged, pic.Width, pic.Height
	return answer, nil
}

func (s *Server) loadModel(ctx context.Context) (Captioner, error) {
	if err := s.model.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.model.Release(1)
	model, err := s.Captioner(ctx)
	if err != nil {
		return nil, errors.Join(later(http.StatusServiceUnavailable, time.Minute, "no_model",
			"the model cannot be loaded: `shoebox doctor` says what is missing"), fmt.Errorf("loading the model: %w", err))
	}
	return model, nil
}

func describe(model Captioner, d captioner.Description) captionAnswer {
	answer := captionAnswer{
		Caption: d.Caption.Text, Score: d.Caption.Score, Unsure: d.Caption.Unsure,
		Model: model.Hash(), ModelName: model.Name(), Others: d.Seen.Others, LooksLike: []likelyWord{},
	}
	if answer.Others == nil {
		answer.Others = []storage.OtherCaption{} // [] and never null
	}
	for _, word := range model.LooksLike(d, mostWords) {
		answer.LooksLike = append(answer.LooksLike, newLikelyWord(word.Word, word.Probability))
	}
	return answer
}

func looksOf(e captioner.Explanation) *looksAnswer {
	answer := &looksAnswer{Columns: e.Columns, Rows: e.Rows, Words: []lookAnswer{}}
	for _, look := range e.Looks {
		word := lookAnswer{Word: look.Word, Start: look.Start, End: look.End}
		for _, share := range look.Share {
			word.Share = append(word.Share, math.Round(float64(share)*1e4)/1e4) // more digits say nothing
		}
		answer.Words = append(answer.Words, word)
	}
	return answer
}
