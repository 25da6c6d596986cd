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

// Whatever takes longer hangs: a disk that does not answer, a decoder in a loop,
// a model that waits for itself. Guesses: the largest file over the slowest
// network, the largest picture and a batch on the slowest processor.
const (
	readLimit = 10 * time.Minute
	// DecodeLimit is for a single file, in a child process, too.
	DecodeLimit = 2 * time.Minute
	modelLimit  = 5 * time.Minute
)

var (
	errChanging   = errors.New("the file kept changing while it was read")
	errTooLarge   = errors.New("the file is too large")
	errNotRegular = errors.New("it is no longer a regular file")
	errHangs      = errors.New("no end in sight")
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
			if !claim.Suspect {
				w.reading.Add(-1)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// readFile reads a file once, hash, pixels and metadata, and its sidecar; of
// one that is known nothing but the sidecar. What is wrong with the file is
// part of the item; an error is about anything else.
func (w *Worker) readFile(ctx context.Context, claim storage.Claim) (item, error) {
	it := item{result: storage.Result{Claim: claim, PhotoID: claim.Known}}
	root, ok := w.root(claim.FolderID)
	if !ok {
		it.givenBack = true
		return it, nil
	}
	if err := w.readSidecar(ctx, &it, root); err != nil || it.givenBack || it.gone || claim.Known != (storage.PhotoID{}) {
		return it, err
	}
	data, release, err := w.readBounded(ctx, filepath.Join(root.Path, claim.Path))
	defer release()
	switch {
	case err == nil:
		return it, w.look(ctx, &it, data)
	case ctx.Err() != nil:
		return it, ctx.Err()
	case errors.Is(err, errHangs) || !scan.Stands(root.Path, root.Info):
		w.dropRoot(claim.FolderID)
		it.givenBack = true
	case errors.Is(err, fs.ErrNotExist) && root.Scanned:
		it.gone = true
	default:
		it.result.Failure = readFailure(err, claim)
	}
	return it, nil
}

// readBounded reads a file when there is room for it in the budget. release
// gives the room back; it is never nil.
func (w *Worker) readBounded(ctx context.Context, path string) (data []byte, release func(), err error) {
	release = func() {}
	info, err := within(readLimit, func() (fs.FileInfo, error) { return os.Stat(path) })
	if err != nil {
		return nil, release, err
	}
	room := max(info.Size(), 1)
	if most := w.Memory.MostFile(); room > most {
		return nil, release, fmt.Errorf("%w: %d MB are more than the %d MB that a file may have", errTooLarge, room>>20, most>>20)
	}
	if release, err = w.Memory.File(ctx, room); err != nil {
		return nil, release, err
	}
	began := time.Now()
	data, err = within(readLimit, func() ([]byte, error) { return readStable(ctx, path, room) })
	w.Stages.Add(Reading, 1, time.Since(began))
	return data, release, err
}

// within waits for do, but not longer than limit. What hangs in a decoder or on
// a dead network disk cannot be stopped: it goes on behind the worker's back,
// with its memory, until it or the process ends.
func within[T any](limit time.Duration, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		var none T
		return none, errHangs
	}
}

// look hashes and decodes what was read and asks storage whether the photo,
// or another with the same pixels, has a caption already.
func (w *Worker) look(ctx context.Context, it *item, data []byte) error {
	id, err := w.identify(ctx, data)
	if err != nil {
		return err
	}
	it.result.PhotoID = id
	began := time.Now()
	if !it.result.Claim.Recaption {
		known, err := w.Queue.CaptionedPhotos(ctx, []storage.PhotoID{id})
		if err != nil {
			return fmt.Errorf("look a photo up: %w", err)
		}
		if known[id] {
			return nil
		}
	}
	asking := time.Since(began)
	seen, err := w.see(ctx, it.result.Claim, data)
	if err != nil {
		return err
	}
	if it.result.Failure = seen.Failure; seen.Failure != nil {
		return nil
	}
	photo := seen.Photo
	photo.ID = id
	it.result.Photo = photo
	if err := w.keep(ctx, id, seen.small); err != nil {
		return err
	}
	began = time.Now()
	caption, known, found, err := w.Queue.CaptionByPixels(ctx, photo.Pixels, w.Captioner.Hash())
	if err != nil {
		return fmt.Errorf("look pixels up: %w", err)
	}
	w.Stages.Add(Asking, 1, asking+time.Since(began))
	if found && known.Model != "" && (!it.result.Claim.Recaption || known.Model == w.Captioner.Hash()) {
		photo.Caption, photo.Seen = caption, known
		return nil
	}
	if caption.Edited { // what the model sees is still to be had
		photo.Caption = caption
	}
	it.pixels, it.decoded = seen.pixels, time.Now()
	it.captioned = seen.pixels == nil // in the child
	return nil
}

// see decodes a file, here or, if it is suspect, in a process of its own.
func (w *Worker) see(ctx context.Context, claim storage.Claim, data []byte) (sight, error) {
	if claim.Suspect {
		return w.tryAlone(ctx, claim, data)
	}
	need, failure := estimate(data, w.Captioner.Size(), w.Memory.MostDecoding())
	if failure != nil {
		return sight{Failure: failure}, nil
	}
	release, err := w.Memory.Decoding(ctx, min(need+picture.SmallMemory, w.Memory.MostDecoding()))
	if err != nil {
		return sight{}, err
	}
	defer release()
	var seen sight
	err = w.compute(ctx, 1, func() (err error) {
		seen, err = within(w.decodeLimit, func() (sight, error) { return decode(w.Decode, data, w.Captioner.Size()), nil })
		return err
	})
	if errors.Is(err, errHangs) {
		slog.Error("a decoder hangs and keeps a processor until this process ends; the file is tried alone",
			"file", claim.Path, "after", w.decodeLimit)
		return w.tryAlone(ctx, claim, data)
	}
	if err == nil && seen.Failure == nil {
		w.Stages.Add(Decoding, 1, seen.took.decoding)
		w.Stages.Add(Resizing, 1, seen.took.resizing)
	}
	return seen, err
}

// keep hands on what was made for people.
func (w *Worker) keep(ctx context.Context, id storage.PhotoID, small picture.Rendition) error {
	if w.Keep == nil || small.Pixels == nil {
		return nil
	}
	return w.compute(ctx, 1, func() error {
		began := time.Now()
		w.Keep(id, small)
		w.Stages.Add(Keeping, 1, time.Since(began))
		return nil
	})
}

// identify hashes what was read.
func (w *Worker) identify(ctx context.Context, data []byte) (id storage.PhotoID, err error) {
	err = w.compute(ctx, 1, func() error {
		began := time.Now()
		id = sha256.Sum256(data)
		w.Stages.Add(Hashing, 1, time.Since(began))
		return nil
	})
	return id, err
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
