package thumbs

import (
	"bytes"
	"context"
	"image"
	_ "image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// jpegOf is something that begins and ends like a JPEG file.
func jpegOf(size int) []byte {
	return append(append([]byte{0xFF, 0xD8}, make([]byte, size-4)...), 0xFF, 0xD9)
}

func idOf(n byte) storage.PhotoID { return storage.PhotoID{n} }

func open(t *testing.T, limit int64) *Cache {
	t.Helper()
	c := Open(filepath.Join(t.TempDir(), "thumbs"), limit)
	t.Cleanup(c.Close)
	return c
}

func keep(t *testing.T, c *Cache, n byte, size int, age time.Duration) {
	t.Helper()
	if err := c.Keep(idOf(n), 400, jpegOf(size)); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(c.name(idOf(n), 400), at, at); err != nil {
		t.Fatal(err)
	}
}

func bytesIn(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		sum += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestWhatWasNotLookedAtForLongestLeaves(t *testing.T) {
	c := open(t, 1000)
	keep(t, c, 1, 300, 30*time.Hour)
	keep(t, c, 2, 300, 20*time.Hour)
	keep(t, c, 3, 300, 10*time.Hour)
	if _, kept := c.Get(idOf(1), 400); !kept { // which looks at it
		t.Fatal("the first is not kept")
	}
	keep(t, c, 4, 300, 0)
	c.Close() // the sweep that it began has ended
	for n, want := range map[byte]bool{1: true, 2: false, 3: true, 4: true} {
		if _, kept := c.Get(idOf(n), 400); kept != want {
			t.Errorf("picture %d is kept: %v, want %v", n, kept, want)
		}
	}
	if used := bytesIn(t, c.dir); used > 1000 {
		t.Errorf("%d bytes are kept", used)
	}
}

func TestTheBoundHoldsForWhatWasThereBefore(t *testing.T) {
	c := open(t, 10_000)
	for n := range byte(20) {
		keep(t, c, n, 400, time.Hour)
	}
	c.Close()
	again := Open(c.dir, 1000)
	keep(t, again, 20, 400, 0)
	again.Close()
	if used := bytesIn(t, c.dir); used > 1000 || used == 0 {
		t.Errorf("%d bytes are kept", used)
	}
}

func TestHalfAPictureIsNone(t *testing.T) {
	c := open(t, 10_000)
	keep(t, c, 1, 400, 0)
	name := c.name(idOf(1), 400)
	if err := os.Truncate(name, 200); err != nil {
		t.Fatal(err)
	}
	if _, kept := c.Get(idOf(1), 400); kept {
		t.Error("half a picture is shown")
	}
	old := filepath.Join(filepath.Dir(name), ".new-123")
	if err := os.WriteFile(old, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-2 * lookedAt)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	again := Open(c.dir, 10_000)
	keep(t, again, 2, 400, 0)
	again.Close()
	if _, err := os.Stat(old); err == nil {
		t.Error("what a killed process left is still there")
	}
}

func TestPicturesOfPhotosThatAreNotShownLeave(t *testing.T) {
	c := open(t, 10_000)
	keep(t, c, 1, 400, 2*time.Hour)
	keep(t, c, 2, 400, 2*time.Hour)
	keep(t, c, 3, 400, 0)
	if err := c.Keep(idOf(2), 2048, jpegOf(400)); err != nil {
		t.Fatal(err)
	}
	var asked []storage.PhotoID
	shown := func(_ context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error) {
		asked = append(asked, ids...)
		return map[storage.PhotoID]bool{idOf(1): true}, nil
	}
	for _, step := range []struct {
		age  time.Duration
		left []byte
		ask  int
	}{{time.Hour, []byte{1, 3}, 2}, {0, []byte{1}, 3}} {
		asked = nil
		if err := c.Prune(t.Context(), step.age, shown); err != nil || len(asked) != step.ask {
			t.Errorf("asked for %d photos: %v", len(asked), err)
		}
		for n := byte(1); n <= 3; n++ {
			if _, kept := c.Get(idOf(n), 400); kept != slices.Contains(step.left, n) {
				t.Errorf("older than %s: picture %d is kept: %v", step.age, n, kept)
			}
		}
	}
	if err := Open(filepath.Join(t.TempDir(), "none"), 1).Prune(t.Context(), 0, shown); err != nil {
		t.Errorf("where nothing was ever kept: %v", err)
	}
}

func TestPixelsComeBack(t *testing.T) {
	size := picture.Size{Width: 16, Height: 8}
	pixels := bytes.Repeat([]byte{200, 100, 50}, size.Width*size.Height)
	data, err := Encode(pixels, size)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil || img.Bounds().Dx() != size.Width || img.Bounds().Dy() != size.Height {
		t.Fatalf("it is %v: %v", img.Bounds(), err)
	}
	if r, g, b, _ := img.At(5, 5).RGBA(); r>>8 < 190 || r>>8 > 210 || g>>8 < 90 || g>>8 > 110 || b>>8 < 40 || b>>8 > 60 {
		t.Errorf("a pixel is %d %d %d", r>>8, g>>8, b>>8)
	}
	if _, err := Encode(pixels[1:], size); err == nil {
		t.Error("pixels that are too few are taken")
	}
}
