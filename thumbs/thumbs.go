// Package thumbs keeps small JPEG pictures of photos on disk, by the hash of
// the photo's content, so that none is made twice: in two levels of folders, a
// bounded number of bytes, of which those that nobody looked at for longest
// leave first.
//
// It never reads a photo and never decodes anything: whoever has pixels hands
// them in. Everything in its folder can be deleted at any time. Several
// processes may share a folder; each looks after the bound by itself.
package thumbs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shoebox/captioner/picture"
	"shoebox/captioner/picture/turbojpeg"
	"shoebox/storage"
)

// quality is JPEG's, of 100: above it files grow faster than they get better.
const quality = 82

// room is how many bytes the small pictures of a data folder may take on disk:
// those of about 200,000 photos.
const room = 4 << 30

// sweepTo is the part of the bound that is left after a sweep, so that sweeps
// are rare.
const sweepTo = 0.9

// lookedAt is how precisely it is known when a picture was last looked at:
// not every look has to be written to the disk.
const lookedAt = time.Hour

// Cache is a folder of small pictures. Its methods may be called by many
// goroutines.
type Cache struct {
	dir   string
	limit int64 // bytes

	mu        sync.Mutex
	counted   bool  // what was there before
	used      int64 // bytes, as far as this process knows
	meanwhile int64 // of them what was kept since a sweep began, which may not have seen it
	sweeping  sync.WaitGroup
	busy      bool // a sweep runs
}

// In is the cache of a data folder.
func In(data string) *Cache { return Open(filepath.Join(data, "thumbs"), room) }

// Open uses a folder for at most limit bytes. It is made, or what is in it is
// counted in the background, when the first picture comes.
func Open(dir string, limit int64) *Cache { return &Cache{dir: dir, limit: limit} }

// Close waits for what runs in the background.
func (c *Cache) Close() { c.sweeping.Wait() }

// name is a picture's: of a photo, with at most longest pixels a side.
func (c *Cache) name(id storage.PhotoID, longest int) string {
	hex := id.String()
	return filepath.Join(c.dir, hex[:2], hex[2:4], hex+"-"+strconv.Itoa(longest)+".jpg")
}

// Get returns a picture that was kept. false: there is none, or only a part of
// it, because the power went while it was written.
func (c *Cache) Get(id storage.PhotoID, longest int) ([]byte, bool) {
	name := c.name(id, longest)
	data, err := os.ReadFile(name)
	if err != nil || !bytes.HasPrefix(data, []byte{0xFF, 0xD8}) || !bytes.HasSuffix(data, []byte{0xFF, 0xD9}) {
		return nil, false
	}
	if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > lookedAt {
		now := time.Now()
		_ = os.Chtimes(name, now, now) // it only leaves earlier
	}
	return data, true
}

// Keep writes a picture. An error means that it has to be made again next time.
func (c *Cache) Keep(id storage.PhotoID, longest int, data []byte) error {
	name := c.name(id, longest)
	file, err := os.CreateTemp(filepath.Dir(name), temporary)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(name), 0o700); err == nil {
			file, err = os.CreateTemp(filepath.Dir(name), temporary)
		}
	}
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	c.mu.Lock()
	c.used += int64(len(data))
	c.meanwhile += int64(len(data))
	look := !c.counted || c.used > c.limit
	c.counted = true
	c.mu.Unlock()
	if look {
		c.startSweep()
	}
	return nil
}

// KeepThumb makes a photo's thumbnail of a rendition of SizeOf.
func (c *Cache) KeepThumb(id storage.PhotoID, small picture.Rendition) error {
	data, err := Encode(small.Pixels, small.Size)
	if err != nil {
		return err
	}
	return c.Keep(id, Side, data)
}

// temporary files are written and then renamed.
const temporary = ".new-*"

// startSweep counts what there is, and removes what is too much, in the
// background. It goes on until what was kept meanwhile leaves enough, too.
func (c *Cache) startSweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		return
	}
	c.busy, c.meanwhile = true, 0
	c.sweeping.Go(func() {
		for more := true; more; {
			used, err := c.sweep()
			if err != nil {
				slog.Warn("old thumbnails could not be removed", "folder", c.dir, "error", err)
			}
			c.mu.Lock()
			c.used = used + c.meanwhile
			more = c.used > c.limit && err == nil
			c.busy, c.meanwhile = more, 0
			c.mu.Unlock()
		}
	})
}

// kept is a file of the cache.
type kept struct {
	path string
	size int64
	at   time.Time // last looked at
}

// sweep removes the pictures that nobody looked at for longest, and what a
// process that was killed left half written. It returns the bytes that stay.
func (c *Cache) sweep() (used int64, err error) {
	var all []kept
	err = filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreMissing(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		if half, _ := filepath.Match(temporary, entry.Name()); half {
			if time.Since(info.ModTime()) > lookedAt {
				return ignoreMissing(os.Remove(path))
			}
			return nil
		}
		all = append(all, kept{path, info.Size(), info.ModTime()})
		used += info.Size()
		return nil
	})
	if err != nil || used <= c.limit {
		return used, err
	}
	slices.SortFunc(all, func(a, b kept) int { return a.at.Compare(b.at) })
	enough := int64(sweepTo * float64(c.limit))
	for _, k := range all {
		if used <= enough {
			break
		}
		if err := ignoreMissing(os.Remove(k.path)); err != nil {
			return used, err
		}
		used -= k.size
	}
	return used, nil
}

// Prune removes the pictures of photos that are not shown any more, unless
// somebody looked at them, or they were made, less than age ago: a photo that is
// being captioned is not shown yet. shown returns those of some photos that are.
func (c *Cache) Prune(ctx context.Context, age time.Duration, shown func(context.Context, []storage.PhotoID) (map[storage.PhotoID]bool, error)) error {
	parts, err := os.ReadDir(c.dir)
	for _, part := range parts {
		if err = c.prunePart(ctx, part.Name(), age, shown); err != nil {
			break
		}
	}
	return ignoreMissing(err)
}

func (c *Cache) prunePart(ctx context.Context, part string, age time.Duration, shown func(context.Context, []storage.PhotoID) (map[storage.PhotoID]bool, error)) error {
	old := make(map[storage.PhotoID][]string)
	err := filepath.WalkDir(filepath.Join(c.dir, part), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreMissing(err)
		}
		hex, _, _ := strings.Cut(entry.Name(), "-")
		id, err := storage.ParsePhotoID(hex)
		if err != nil {
			return nil // not finished, or not ours
		}
		info, err := entry.Info()
		if err == nil && time.Since(info.ModTime()) >= age {
			old[id] = append(old[id], path)
		}
		return ignoreMissing(err)
	})
	if err != nil || len(old) == 0 {
		return err
	}
	kept, err := shown(ctx, slices.Collect(maps.Keys(old)))
	if err != nil {
		return err
	}
	for id, paths := range old {
		if kept[id] {
			continue
		}
		for _, path := range paths {
			if err := ignoreMissing(os.Remove(path)); err != nil {
				return err
			}
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Encode makes a JPEG of pixels as picture.Decode gives them, with libturbojpeg
// where the system has it.
func Encode(pixels []byte, size picture.Size) ([]byte, error) {
	if len(pixels) != 3*size.Width*size.Height {
		return nil, fmt.Errorf("%d bytes of pixels for a picture of %s", len(pixels), size)
	}
	if library, err := turbojpeg.System(); err == nil {
		return library.Encode(pixels, size.Width, size.Height, quality)
	}
	img := image.NewRGBA(image.Rect(0, 0, size.Width, size.Height))
	for from, to := 0, 0; from < len(pixels); from, to = from+3, to+4 {
		copy(img.Pix[to:to+3], pixels[from:from+3])
		img.Pix[to+3] = 255
	}
	var out bytes.Buffer
	err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality})
	return out.Bytes(), err
}
