package turbojpeg

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func need(t *testing.T) *Library {
	t.Helper()
	library, err := System()
	if err != nil {
		t.Skip("needs libturbojpeg: ", err)
	}
	return library
}

// gradient is a file whose brightness rises from left to right.
func gradient(t *testing.T, width, height int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetGray(x, y, color.Gray{uint8(255 * x / width)})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestADenominatorRoundsTheSizeUp(t *testing.T) {
	library := need(t)
	data := gradient(t, 201, 57)
	for denominator, want := range map[int]image.Point{1: {201, 57}, 2: {101, 29}, 4: {51, 15}, 8: {26, 8}} {
		for format, bytes := range map[Format]int{RGB: 3, Grey: 1} {
			const guard = 0xA5
			pixels := make([]byte, want.X*want.Y*bytes+100)
			for i := range pixels {
				pixels[i] = guard
			}
			if err := library.Decode(data, 201, 57, denominator, format, pixels); err != nil {
				t.Fatal(err)
			}
			for y := range want.Y {
				row := pixels[y*want.X*bytes:][:want.X*bytes]
				if left, right := row[0], row[len(row)-1]; left > 12 || right < 235 {
					t.Errorf("by %d: row %d goes from %d to %d", denominator, y, left, right)
				}
			}
			for _, v := range pixels[want.X*want.Y*bytes:] {
				if v != guard {
					t.Fatalf("by %d: written beyond the picture", denominator)
				}
			}
		}
	}
}

func TestWhateverIsNotInOrderIsAnError(t *testing.T) {
	library := need(t)
	data := gradient(t, 64, 48)
	spoilt := bytes.Clone(data)
	for i := len(spoilt) / 2; i < len(spoilt)-2; i++ {
		spoilt[i] = 0x55
	}
	for name, c := range map[string]struct {
		data          []byte
		width, height int
		room          int
	}{
		"nothing":               {nil, 64, 48, 64 * 48},
		"garbage":               {bytes.Repeat([]byte("garbage "), 100), 64, 48, 64 * 48},
		"a start alone":         {data[:2], 64, 48, 64 * 48},
		"a header alone":        {data[:200], 64, 48, 64 * 48},
		"cut off":               {data[:len(data)*3/4], 64, 48, 64 * 48},
		"without an end marker": {data[:len(data)-2], 64, 48, 64 * 48},
		"spoilt":                {spoilt, 64, 48, 64 * 48},
		"of another size":       {data, 63, 48, 64 * 48},
		"too little room":       {data, 64, 48, 64*48 - 1},
		"no size":               {data, 0, 0, 64 * 48},
	} {
		t.Run(name, func(t *testing.T) {
			if err := library.Decode(c.data, c.width, c.height, 1, Grey, make([]byte, c.room)); err == nil {
				t.Error("no error")
			}
		})
	}
	if err := library.Decode(data, 64, 48, 1, Grey, make([]byte, 64*48)); err != nil {
		t.Errorf("in order: %v", err)
	}
}

func TestTheLibrarySaysWhichItIs(t *testing.T) {
	library := need(t)
	if !strings.Contains(filepath.Base(library.Path()), "turbojpeg") {
		t.Errorf("its file is %s", library.Path())
	}
	if v := library.Version(); v < "2" || v > "9" {
		t.Errorf("its version is %q", v)
	}
}

// build compiles a library from C.
func build(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "libturbojpeg.so.0")
	file := filepath.Join(dir, "fake.c")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", path, file).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v: %s", err, out)
	}
	return path
}

func TestALibraryThatIsTooOldOrNoneIsRefused(t *testing.T) {
	old := "void *tjInitDecompress(void) { return 0; } void *tjInitCompress(void) { return 0; }"
	for _, name := range []string{"tjDecompressHeader3", "tjDecompress2", "tjBufSize", "tjCompress2", "tjDestroy", "tjGetErrorStr2"} {
		old += "\nint " + name + "(void) { return -1; }"
	}
	if _, err := open(build(t, old)); err == nil || !strings.Contains(err.Error(), "2.0 or later") {
		t.Errorf("a library of 1.5: %v", err)
	}
	if _, err := open(build(t, "int something_else;")); err == nil {
		t.Error("a library of something else was taken")
	}
	if _, err := open("libnothing-of-this-name.so.0"); err == nil || !strings.Contains(err.Error(), "libnothing") {
		t.Errorf("a library that is not there: %v", err)
	}
	library, err := open(build(t, old+"\nint tjGetErrorCode(void) { return 0; }"))
	if err != nil {
		t.Fatal(err)
	}
	if v := library.Version(); v != "" {
		t.Errorf("its version is %q, and it does not say", v)
	}
	if err := library.Decode([]byte{1}, 1, 1, 1, Grey, make([]byte, 1)); err == nil {
		t.Error("a library that cannot begin decoded something")
	}
	if _, err := library.Encode(make([]byte, 3), 1, 1, 90); err == nil {
		t.Error("a library that cannot begin encoded something")
	}
}

func TestPixelsComeBackFromWhatWasEncoded(t *testing.T) {
	library := need(t)
	const width, height = 61, 35
	pixels := make([]byte, 3*width*height)
	for i := 0; i < len(pixels); i += 3 {
		pixels[i], pixels[i+1], pixels[i+2] = byte(2*(i/3%width)), 100, 200
	}
	data, err := library.Encode(pixels, width, height, 90)
	if err != nil {
		t.Fatal(err)
	}
	back := make([]byte, len(pixels))
	if err := library.Decode(data, width, height, 1, RGB, back); err != nil {
		t.Fatal(err)
	}
	for i := range pixels {
		if off := int(pixels[i]) - int(back[i]); off > 16 || off < -16 {
			t.Fatalf("sample %d is %d and comes back as %d", i, pixels[i], back[i])
		}
	}
	if _, err := library.Encode(pixels[1:], width, height, 90); err == nil {
		t.Error("pixels that are too few are taken")
	}
}
