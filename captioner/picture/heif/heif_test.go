package heif

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestTheDecodersAreThePinnedOnes(t *testing.T) {
	readme, err := os.ReadFile("wasm/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{"heic.wasm.gz": heicProgram, "avif.wasm.gz": avifProgram} {
		hash := sha256.Sum256(packed)
		if !strings.Contains(string(readme), name) || !strings.Contains(string(readme), hex.EncodeToString(hash[:])) {
			t.Errorf("%s has the hash %x, which wasm/README.md does not name", name, hash)
		}
	}
}

// files are the HEIC and AVIF files of the tests, and those of real cameras
// where they are.
func files(t testing.TB) (paths []string) {
	for _, pattern := range []string{"../testdata/inputs/*.heic", "../testdata/inputs/*.avif",
		"../../../../shared/photos/exif-samples/heic/*.*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) < 20 {
		t.Fatalf("%d files", len(paths))
	}
	return paths
}

func TestTheMemoryOfADecoderIsEnough(t *testing.T) {
	for _, path := range files(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := Parse(data)
		img, used, err := f.decode()
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		given := f.SandboxMemory()
		t.Logf("%s: %v, %d of %d MB", filepath.Base(path), img.Bounds().Size(), used>>20, given>>20)
		if used > given || used < given/8 && given > 2*baseMemory {
			t.Errorf("%s: used %d of %d bytes", path, used, given)
		}
	}
}

func TestAProgramEndsWhereItsMemoryDoes(t *testing.T) {
	for name, p := range map[string]*program{"HEIC": &heic, "AVIF": &avif} {
		s, err := p.open(8 << 20)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		if s.allocate(1 << 20); s.err != nil {
			t.Errorf("%s: a megabyte of eight: %v", name, s.err)
		}
		if s.allocate(16 << 20); !errors.Is(s.err, ErrMemory) {
			t.Errorf("%s: 16 MB of eight: %v", name, s.err)
		}
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	for _, path := range []string{"../testdata/inputs/colour.heic", "../testdata/inputs/colour.avif"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := Parse(data)
		for i := len(data) / 2; i < len(data); i++ { // the picture's own data
			data[i] = 0
		}
		if _, err := f.Decode(); filepath.Ext(path) == ".avif" && err == nil {
			t.Errorf("%s: zeros are a picture", path)
		}
		if cut := Parse(data[:len(data)-10]); !cut.Truncated {
			t.Errorf("%s: cut off, and nobody says so", path)
		}
		if f := Parse(data[:20]); f.Width != 0 || !Is(data[:20]) {
			t.Errorf("%s: of its beginning, %dx%d", path, f.Width, f.Height)
		}
	}
}

// Turning four times, and reflecting twice, changes nothing; reflecting top to
// bottom is reflecting left to right and turning by half.
func TestTurnsAndReflectionsAddUp(t *testing.T) {
	for o := 1; o <= 8; o++ {
		if got := rotated(rotated(o, 3), 1); got != o {
			t.Errorf("%d turned around is %d", o, got)
		}
		for axis := range 2 {
			if got := mirrored(mirrored(o, axis), axis); got != o {
				t.Errorf("%d reflected twice is %d", o, got)
			}
		}
		if a, b := mirrored(o, 0), rotated(mirrored(o, 1), 2); a != b {
			t.Errorf("%d reflected top to bottom is %d, left to right and turned %d", o, a, b)
		}
	}
	for name, c := range map[string][2]int{
		"a quarter counter-clockwise": {rotated(1, 1), 8}, "left to right": {mirrored(1, 1), 2},
		"top to bottom": {mirrored(1, 0), 4}, "a quarter, then top to bottom": {mirrored(rotated(1, 1), 0), 5},
		"three quarters, then top to bottom": {mirrored(rotated(1, 3), 0), 7},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is orientation %d, want %d", name, c[0], c[1])
		}
	}
}

// The loops over what a file lists are bounded by more than its own numbers.
func TestAHostileFileEndsSoon(t *testing.T) {
	box := func(name string, body []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), append([]byte(name), body...)...)
	}
	const size = 20 << 20
	iloc := append([]byte{0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, bytes.Repeat([]byte{0, 1, 0, 0, 0xFF, 0xFF}, 65535)...)
	ipco := box("ipco", bytes.Repeat([]byte("\x00\x00\x00\x08free"), size/8))
	for name, inside := range map[string][]byte{
		"extents of no bytes": box("iloc", iloc),
		"millions of boxes":   box("iprp", ipco),
		"a codec's zeros":     box("iprp", box("ipco", box("hvcC", append(make([]byte, 22), make([]byte, size)...)))),
	} {
		data := append(box("ftyp", []byte("heic\x00\x00\x00\x00heic")), box("meta", append(make([]byte, 4), inside...))...)
		start := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		Parse(data)
		runtime.ReadMemStats(&after)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > size {
			t.Errorf("%s: took %d MB", name, took>>20)
		}
	}
}

// FuzzParse looks for panics in what reads the structure.
func FuzzParse(f *testing.F) {
	for _, path := range files(f) {
		if data, err := os.ReadFile(path); err == nil && len(data) < 64<<10 {
			f.Add(data[:min(len(data), 2000)])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := Parse(data)
		if file.Turn < 1 || file.Turn > 8 || file.Depth < 8 || file.Depth > 16 || file.Samples > 3 {
			t.Errorf("%+v", file)
		}
		if pixels := float64(file.Width) * float64(file.Height); pixels < 1e9 && file.SandboxMemory() < baseMemory {
			t.Errorf("%d bytes of memory", file.SandboxMemory())
		}
	})
}
