package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"shoebox/captioner/picture"
	"shoebox/storage"
	"shoebox/thumbs"
)

// previewSide is the longer side of a preview, in pixels.
const previewSide = 2048

// forGood is for what can never change, because its address holds its hash.
const forGood = "private, max-age=31536000, immutable"

func (s *Server) thumb(w http.ResponseWriter, r *http.Request) error {
	return s.showSmall(w, r, thumbs.Side, thumbs.SizeOf)
}

func (s *Server) preview(w http.ResponseWriter, r *http.Request) error {
	return s.showSmall(w, r, previewSide, func(whole picture.Size) picture.Size {
		return thumbs.Scaled(whole, previewSide/float64(max(whole.Width, whole.Height)))
	})
}

// showSmall answers with a small picture, kept or made now. side is its name
// among those of the photo.
func (s *Server) showSmall(w http.ResponseWriter, r *http.Request, side int, sizeOf func(picture.Size) picture.Size) error {
	id, err := photoID(r)
	if err != nil {
		return err
	}
	data, kept, err := s.keptSmall(r.Context(), id, side)
	if err != nil {
		return err
	}
	if !kept {
		photo, _, err := s.lookUp(r.Context(), id)
		if err != nil {
			return err
		}
		size := sizeOf(picture.Size{Width: max(1, photo.Photo.Width), Height: max(1, photo.Photo.Height)})
		data, err = inBackground(r.Context(), s.pictures.places, func(ctx context.Context) ([]byte, error) {
			return s.makeSmall(ctx, photo, side, size)
		})
		if err != nil {
			return tooBusy(r.Context(), err)
		}
	}
	header := w.Header()
	header.Set("Content-Type", "image/jpeg")
	header.Set("ETag", strconv.Quote(id.String()+"-"+strconv.Itoa(side)))
	header.Set("Cache-Control", forGood)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// keptSmall returns a small picture that was kept, of a photo that is still
// shown, as far as can be told.
func (s *Server) keptSmall(ctx context.Context, id storage.PhotoID, side int) (data []byte, kept bool, err error) {
	if data, kept = s.Thumbs.Get(id, side); !kept {
		return nil, false, nil
	}
	shown, err := s.Store.Shown(ctx, []storage.PhotoID{id})
	switch {
	case errors.Is(err, storage.ErrUnavailable):
		return data, true, nil
	case err == nil && !shown[id]:
		err = storage.ErrUnknownPhoto
	}
	return data, true, err
}

// pruneEvery is how often small pictures of photos that are not shown any more
// are looked for, and how old they are when they go. firstPrune is when a server
// has had the time to reach its database.
const (
	pruneEvery = time.Hour
	firstPrune = time.Minute
)

// prune removes them until ctx ends.
func (s *Server) prune(ctx context.Context) {
	for pause := firstPrune; ; pause = pruneEvery {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if err := s.Thumbs.Prune(ctx, pruneEvery, s.Store.Shown); err != nil && ctx.Err() == nil {
			slog.Warn("old thumbnails were not looked through", "error", err)
		}
	}
}

func (s *Server) makeSmall(ctx context.Context, photo storage.Change, side int, size picture.Size) ([]byte, error) {
	if data, kept := s.Thumbs.Get(photo.Photo.ID, side); kept {
		return data, nil // another request made it while this one waited
	}
	began := time.Now()
	data, err := s.pictures.small(ctx, photo, size)
	if err != nil {
		return nil, err
	}
	s.metrics.decoded.Observe(time.Since(began).Seconds())
	if err := s.Thumbs.Keep(photo.Photo.ID, side, data); err != nil {
		slog.Warn("a thumbnail was not kept and will be made again", "error", err)
	}
	return data, nil
}

// tooBusy tells a request that waited for others in vain to come again.
func tooBusy(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return later(http.StatusServiceUnavailable, 10*time.Second, "timeout", "other pictures are still being decoded")
	}
	return err
}

// contentTypes are those of the formats that may be shown as what they are.
// Everything else is bytes.
var contentTypes = map[string]string{
	"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "bmp": "image/bmp",
	"tiff": "image/tiff", "heic": "image/heic", "avif": "image/avif",
}

const unknownBytes = "application/octet-stream"

// contentType is by the photo's bytes, never by a name.
func contentType(format string, file io.ReadSeeker) (string, error) {
	if known, ok := contentTypes[format]; ok {
		return known, nil
	}
	if format != "" {
		return unknownBytes, nil
	}
	// What search knows of a photo does not say.
	var head [512]byte
	n, err := io.ReadFull(file, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sniffed := http.DetectContentType(head[:n])
	for _, known := range contentTypes {
		if sniffed == known {
			return known, nil
		}
	}
	return unknownBytes, nil
}

// original answers with a photo's bytes: ?download=1 has them saved.
func (s *Server) original(w http.ResponseWriter, r *http.Request) error {
	id, err := photoID(r)
	if err != nil {
		return err
	}
	photo, _, err := s.lookUp(r.Context(), id)
	if err != nil {
		return err
	}
	file, err := inBackground(r.Context(), s.pictures.places, func(context.Context) (*os.File, error) { return s.pictures.open(photo) })
	if err != nil {
		return tooBusy(r.Context(), err)
	}
	defer file.Close()
	kind, err := contentType(photo.Photo.Format, file)
	if err != nil {
		return err
	}
	shown := "inline"
	if kind == unknownBytes || r.URL.Query().Get("download") != "" {
		shown = "attachment"
	}
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Disposition", disposition(shown, photo.Paths[0]))
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("ETag", strconv.Quote(id.String()))
	header.Set("Cache-Control", forGood)
	http.ServeContent(w, r, "", time.Time{}, file)
	return nil
}
