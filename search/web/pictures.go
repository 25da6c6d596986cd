package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"

	"shoebox/captioner/picture"
	"shoebox/storage"
	"shoebox/thumbs"
)

// decodePatience is how long a request waits for a picture. A decoder that
// takes longer goes on behind its back and keeps its place until it ends.
const decodePatience = 30 * time.Second

// mostVerified is how many files are remembered to hold what they should.
const mostVerified = 4096

// pictures reads and decodes photos, within a bound of memory.
type pictures struct {
	memory *picture.Budget
	most   int64 // places
	places *semaphore.Weighted

	mu       sync.Mutex
	verified map[state]storage.PhotoID
}

// state is a file at some time: as long as it is the same, so is the content.
type state struct {
	path     string
	size     int64
	modified int64
}

func newPictures(memory *picture.Budget) *pictures {
	// Half of the processors are left for searches and the worker.
	most := int64(max(1, runtime.GOMAXPROCS(0)/2))
	return &pictures{
		memory:   memory,
		most:     most,
		places:   semaphore.NewWeighted(most),
		verified: make(map[state]storage.PhotoID),
	}
}

// finish waits for what is being read and decoded, but not for what hangs.
func (p *pictures) finish() {
	ctx, stop := context.WithTimeout(context.Background(), shutdownLimit)
	defer stop()
	_ = p.places.Acquire(ctx, p.most) // for good
}

// decode turns a file's bytes into pixels when there is memory for it.
func (p *pictures) decode(ctx context.Context, data []byte, size picture.Size) (picture.Picture, error) {
	need, err := picture.EstimateMemory(data, size)
	if err != nil {
		return picture.Picture{}, err
	}
	if most := p.memory.MostDecoding(); need > most {
		return picture.Picture{}, &picture.Error{Code: "too-large", Text: fmt.Sprintf(
			"decoding takes %d MB of memory and may take %d MB here: give shoebox a larger --memory", need>>20, most>>20)}
	}
	release, err := p.memory.Decoding(ctx, need)
	if err != nil {
		return picture.Picture{}, err
	}
	defer release()
	return picture.Decode(data, size)
}

// small makes a JPEG of a photo.
func (p *pictures) small(ctx context.Context, photo storage.Change, size picture.Size) ([]byte, error) {
	data, release, err := p.read(ctx, photo)
	defer release()
	if err != nil {
		return nil, err
	}
	pic, err := p.decode(ctx, data, size)
	if err != nil {
		return nil, err
	}
	return thumbs.Encode(pic.Pixels, size)
}

// inBackground runs do in a place of its own, which it keeps to its end, but
// waits only so long: what hangs in a decoder or on a dead disk cannot be
// stopped.
func inBackground[T any](ctx context.Context, places *semaphore.Weighted, do func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	ctx, stop := context.WithTimeout(ctx, decodePatience)
	defer stop()
	if err := places.Acquire(ctx, 1); err != nil {
		return none, err
	}
	done := make(chan result, 1)
	go func() {
		defer places.Release(1)
		value, err := do(ctx)
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// read reads a photo from the first of its files that still holds it. release
// gives the memory back; it is never nil.
func (p *pictures) read(ctx context.Context, photo storage.Change) (data []byte, release func(), err error) {
	release = func() {}
	file, err := p.open(photo)
	if err != nil {
		return nil, release, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, release, err
	}
	room := max(info.Size(), 1)
	if most := p.memory.MostFile(); room > most {
		return nil, release, &picture.Error{Code: "too-large", Text: fmt.Sprintf(
			"a file of %d MB may have %d MB here: give shoebox a larger --memory", room>>20, most>>20)}
	}
	if release, err = p.memory.File(ctx, room); err != nil {
		return nil, release, err
	}
	data = make([]byte, info.Size())
	_, err = io.ReadFull(file, data)
	return data, release, err
}

// open opens the first of a photo's files that still holds it: an address with
// a hash in it, which browsers keep for ever, must never give something else.
func (p *pictures) open(photo storage.Change) (file *os.File, err error) {
	changed := false
	for _, path := range photo.Paths {
		file, err := openRegular(path)
		if err != nil {
			continue
		}
		same, err := p.verify(path, file, photo.Photo.ID)
		if err == nil && same {
			return file, nil
		}
		changed = changed || err == nil
		file.Close()
	}
	if changed {
		return nil, refuse(http.StatusGone, "file_changed", "the photo's file holds something else now; the next look at its folder takes that up")
	}
	return nil, refuse(http.StatusNotFound, "file_missing", "none of the photo's files can be read now: is its disk there?")
}

var errNotRegular = errors.New("not a regular file")

// openRegular opens a file that may have been replaced by anything.
func openRegular(path string) (*os.File, error) {
	// Without O_NONBLOCK a named pipe would be waited for.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// verify reports whether a file holds a photo. It is left at its beginning.
func (p *pictures) verify(path string, file *os.File, id storage.PhotoID) (bool, error) {
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	now := state{path, info.Size(), info.ModTime().UnixNano()}
	p.mu.Lock()
	holds, known := p.verified[now]
	p.mu.Unlock()
	if known {
		return holds == id, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return false, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	sum.Sum(holds[:0])
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.verified) >= mostVerified {
		clear(p.verified)
	}
	p.verified[now] = holds
	return holds == id, nil
}
