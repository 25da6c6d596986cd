package indexer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/captioner/picture"
	"shoebox/indexer/scan"
	"shoebox/storage"
)

// A file that changes while it is read is read again, at most this often
// and with this pause: a copy that is still going on is left for later.
const (
	readAttempts = 3
	readPause    = 300 * time.Millisecond
)

var (
	errChanging   = errors.New("the file kept changing while it was read")
	errTooLarge   = errors.New("the file is too large")
	errNotRegular = errors.New("it is no longer a regular file")
)

// read turns claims into items until claims is closed.
func (w *Worker) read(ctx context.Context, claims <-chan storage.Claim, items chan<- item) error {
	for claim := range claims {
		it, err := w.readFile(ctx, claim)
		if err != nil {
			return err
		}
		select {
		case items <- it:
			w.reading.Add(-1)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// readFile reads a file once: hash, pixels and metadata. What is wrong with
// the file is part of the item; an error is about anything else.
func (w *Worker) readFile(ctx context.Context, claim storage.Claim) (item, error) {
	path := filepath.Join(claim.FolderPath, claim.Path)
	it := item{result: storage.Result{Claim: claim}}
	data, release, err := w.readBounded(ctx, path)
	defer release()
	switch {
	case err == nil:
		return it, w.look(ctx, &it, data)
	case ctx.Err() != nil:
		return it, ctx.Err()
	case !scan.Stands(claim.FolderPath, w.Roots[claim.FolderID]):
		return it, fmt.Errorf("%s went away while it was read, an unmounted disk? The same command goes on when it is back", claim.FolderPath)
	case errors.Is(err, fs.ErrNotExist):
		it.gone = true
	default:
		it.result.Failure = readFailure(err)
	}
	return it, nil
}

// readBounded reads a file when there is room for it in the budget. release
// gives the room back; it is never nil.
func (w *Worker) readBounded(ctx context.Context, path string) (data []byte, release func(), err error) {
	release = func() {}
	info, err := os.Stat(path)
	if err != nil {
		return nil, release, err
	}
	room := max(info.Size(), 1)
	if most := min(w.Memory/4, picture.MaxFileSize); room > most {
		return nil, release, fmt.Errorf("%w: %d MB are more than the %d MB that a file may have", errTooLarge, room>>20, most>>20)
	}
	if err := w.fileBytes.Acquire(ctx, room); err != nil {
		return nil, release, err
	}
	data, err = readStable(ctx, path, room)
	return data, func() { w.fileBytes.Release(room) }, err
}

func readFailure(err error) *storage.Failure {
	switch {
	case errors.Is(err, errTooLarge):
		return &storage.Failure{State: storage.Failed, Code: "too-large", Text: err.Error()}
	case errors.Is(err, errChanging):
		return &storage.Failure{State: storage.Failed, Code: "changing",
			Text: err.Error() + "; it is taken up at the next scan after it has come to rest"}
	default:
		return &storage.Failure{State: storage.Failed, Code: "io",
			Text: fmt.Sprintf("cannot be read: %v; check its permissions and the disk, then `shoebox failures --retry`", cause(err))}
	}
}

// cause drops the path from an error: a failure's row names the file.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// look hashes and decodes what was read and asks storage whether the photo,
// or another with the same pixels, has a caption already.
func (w *Worker) look(ctx context.Context, it *item, data []byte) error {
	id := storage.PhotoID(sha256.Sum256(data))
	it.result.PhotoID = id
	known, err := w.Queue.CaptionedPhotos(ctx, []storage.PhotoID{id})
	if err != nil {
		return fmt.Errorf("look a photo up: %w", err)
	}
	if known[id] {
		return nil
	}
	pic, failure := w.decode(ctx, data)
	if failure != nil {
		it.result.Failure = failure
		return ctx.Err()
	}
	photo := &storage.Photo{
		ID: id, Pixels: sha256.Sum256(pic.Pixels), Format: pic.Format,
		Width: pic.Width, Height: pic.Height, Damaged: pic.Damaged, Metadata: pic.Metadata,
	}
	it.result.Photo = photo
	caption, found, err := w.Queue.CaptionByPixels(ctx, photo.Pixels, w.Captioner.Hash())
	if err != nil {
		return fmt.Errorf("look pixels up: %w", err)
	}
	if found {
		photo.Caption = caption
		return nil
	}
	it.pixels = pic.Pixels
	return nil
}

// decode decodes within the memory budget.
func (w *Worker) decode(ctx context.Context, data []byte) (picture.Picture, *storage.Failure) {
	need, err := picture.EstimateMemory(data, w.Captioner.Size())
	if err != nil {
		return picture.Picture{}, decodeFailure(err)
	}
	if budget := w.Memory - w.Memory/4; need > budget {
		return picture.Picture{}, &storage.Failure{State: storage.Failed, Code: "too-large",
			Text: fmt.Sprintf("decoding takes %d MB of memory, %d MB are allowed", need>>20, budget>>20)}
	}
	if err := w.decodeBytes.Acquire(ctx, need); err != nil {
		return picture.Picture{}, decodeFailure(err)
	}
	defer w.decodeBytes.Release(need)
	pic, err := picture.Decode(data, w.Captioner.Size())
	if err != nil {
		return picture.Picture{}, decodeFailure(err)
	}
	return pic, nil
}

func decodeFailure(err error) *storage.Failure {
	var e *picture.Error
	if !errors.As(err, &e) {
		return &storage.Failure{State: storage.Failed, Code: "decode", Text: err.Error()}
	}
	if e.Unsupported {
		return &storage.Failure{State: storage.Unsupported, Code: e.Code, Text: e.Text, DecoderVersion: picture.DecoderVersion}
	}
	return &storage.Failure{State: storage.Failed, Code: e.Code, Text: e.Text}
}

// readStable reads a whole file of at most limit bytes whose size and time
// are the same before and after. One that outgrows limit is changing.
func readStable(ctx context.Context, path string, limit int64) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		data, stable, err := readOnce(path, limit)
		if err != nil || stable {
			return data, err
		}
		if attempt == readAttempts {
			return nil, errChanging
		}
		slog.Debug("changed while it was read, reading it again", "file", path)
		select {
		case <-time.After(readPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func readOnce(path string, limit int64) (data []byte, stable bool, err error) {
	// Without O_NONBLOCK, a named pipe that took the file's place would be
	// waited for until somebody wrote to it.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		return nil, false, err
	}
	if !before.Mode().IsRegular() {
		return nil, false, errNotRegular
	}
	if before.Size() > limit {
		return nil, false, nil
	}
	data = make([]byte, before.Size())
	n, err := io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	// The path is looked at again and not the open file: a program that
	// replaces the file by a rename changes it, too.
	after, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}
	stable = int64(n) == after.Size() && os.SameFile(before, after) && before.ModTime().Equal(after.ModTime())
	return data[:n], stable, nil
}
