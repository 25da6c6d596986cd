package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gen2brain/jpegn"

	"shoebox/captioner/picture/turbojpeg"
)

// eachDecoder runs a test with libturbojpeg, where it is there, and without.
func eachDecoder(t *testing.T, test func(t *testing.T, library *turbojpeg.Library)) {
	t.Run("libturbojpeg", func(t *testing.T) { test(t, needTurbo(t)) })
	t.Run("jpegn", func(t *testing.T) { test(t, nil) })
}

func needTurbo(t testing.TB) *turbojpeg.Library {
	t.Helper()
	library, err := turbojpeg.System()
	if err != nil {
		t.Skip("needs libturbojpeg: ", err)
	}
	return library
}

// outcome is what becomes of a file.
type outcome struct {
	code    string // of the error
	damaged bool
	size    Size
	pixels  []byte
}

func (o outcome) String() string {
	if o.code != "" {
		return o.code
	}
	return fmt.Sprintf("%s, damaged %v", o.size, o.damaged)
}

func outcomeWith(t *testing.T, library *turbojpeg.Library, data []byte, to Size) outcome {
	t.Helper()
	p, err := planJPEGWith(library, data, to)
	var src source
	if err == nil {
		src, err = p.open()
	}
	var failure *Error
	if errors.As(err, &failure) {
		return outcome{code: failure.Code}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer src.done()
	return outcome{damaged: src.damaged, size: src.whole, pixels: resample(src, to)}
}

// jpegFiles are files that are in order, by name: the samples and what the
// encoder can make.
func jpegFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for _, pattern := range []string{"testdata/inputs/*.jpg", "../../testdata/photos/*.jpg"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Base(path)] = data
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, 173, 251))
	grey := image.NewGray(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			v := uint8(random.IntN(60))
			img.SetRGBA(x, y, color.RGBA{190 + v, 100 + v, 10 + v/2, 255})
			grey.SetGray(x, y, color.Gray{100 + v})
		}
	}
	for name, options := range map[string]jpegn.EncodeOptions{
		"made baseline":                    {},
		"made 4:4:4":                       {Subsampling: jpegn.Subsample444},
		"made with restarts":               {RestartInterval: 5},
		"made optimised":                   {OptimizeCoding: true},
		"made progressive":                 {Progressive: true},
		"made progressive, with restarts":  {Progressive: true, RestartInterval: 3},
		"made progressive and 4:2:2 sized": {Progressive: true, Subsampling: jpegn.Subsample422},
	} {
		for kind, img := range map[string]image.Image{"": img, ", grey": grey} {
			var b bytes.Buffer
			if err := jpegn.Encode(&b, img, &options); err != nil {
				t.Fatal(err)
			}
			files[name+kind] = b.Bytes()
		}
	}
	return files
}

// What becomes of a file must not depend on which decoder a machine has. There
// is one exception: libturbojpeg reads over a few spoilt bytes where the picture
// has as many blocks as before, and shows what all viewers show, the rest of it
// in other colours. jpegn stops there.
func TestBothDecodersMakeTheSameOfEveryFile(t *testing.T) {
	library := needTurbo(t)
	random := rand.New(rand.NewPCG(5, 6))
	to := Size{60, 40}
	for name, data := range jpegFiles(t) {
		check := func(how string, data []byte) {
			t.Helper()
			fast, slow := outcomeWith(t, library, data, to), outcomeWith(t, nil, data, to)
			readOver := strings.HasPrefix(how, "spoilt") && fast.code == "" && !fast.damaged && (slow.damaged || slow.code == "truncated")
			if fast.String() != slow.String() && !readOver {
				t.Errorf("%s, %s: libturbojpeg: %s; jpegn: %s", name, how, fast, slow)
			}
			if how == "whole" && fast.code == "" && psnr(fast.pixels, slow.pixels) < 40 {
				t.Errorf("%s: the pixels differ: %.1f dB", name, psnr(fast.pixels, slow.pixels))
			}
		}
		check("whole", data)
		check("without end marker", data[:len(data)-2])
		for _, percent := range []int{99, 80, 20, 2} {
			check(fmt.Sprintf("%d %% of it", percent), data[:len(data)*percent/100])
		}
		check("with a trailer", append(bytes.Clone(data), "trailer\xff\xd8"...))
		for range 3 {
			spoilt := bytes.Clone(data)
			at := random.IntN(len(data))
			for i := at; i < min(at+1+random.IntN(30), len(data)); i++ {
				spoilt[i] = byte(random.IntN(256))
			}
			check(fmt.Sprintf("spoilt at %d", at), spoilt)
		}
	}
}

func psnr(a, b []byte) float64 {
	if len(a) != len(b) {
		return 0
	}
	squares := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		squares += d * d
	}
	if squares == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(255*255*float64(len(a))/float64(squares))
}

// Pillow decodes with the same library: whatever is not scaled down while it is
// decoded has exactly the pixels that training sees.
func TestWithLibturbojpegFullSizePixelsAreThoseOfTraining(t *testing.T) {
	needTurbo(t)
	compared := 0
	for name, data := range jpegFiles(t) {
		paths, err := filepath.Glob("testdata/expected/" + name + ".*.png")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := png.Decode(file)
			file.Close()
			if err != nil {
				t.Fatal(err)
			}
			to := Size{want.Bounds().Dx(), want.Bounds().Dy()}
			f := parseJPEG(data)
			if f.denominator(to) > 1 || len(f.components) == 4 {
				continue
			}
			compared++
			got, err := Decode(data, to)
			if err != nil {
				t.Fatal(err)
			}
			for i := range to.Width * to.Height {
				r, g, b, _ := want.At(i%to.Width, i/to.Width).RGBA()
				if pixel := [3]byte(got.Pixels[3*i:]); pixel != [3]byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)} {
					t.Errorf("%s: pixel %d is %v, want %d %d %d", path, i, pixel, r>>8, g>>8, b>>8)
					break
				}
			}
		}
	}
	if compared < 15 {
		t.Errorf("compared %d pictures only", compared)
	}
}

// Each scan costs a pass over all blocks, however short it is.
func TestAFileOfHundredsOfScansIsRefusedBeforeTheyAreDecoded(t *testing.T) {
	frame := []byte{0xFF, 0xD8, 0xFF, markerSOF2, 0, 11, 8, 0x10, 0, 0x10, 0, 1, 1, 0x11, 0} // 4096x4096, grey
	scan := append([]byte{0xFF, markerSOS, 0, 8, 1, 1, 0, 0, 0, 0}, bytes.Repeat([]byte{0x55}, 40)...)
	for scans, want := range map[int]string{400: "", 600: "too-large"} {
		data := append(bytes.Clone(frame), bytes.Repeat(scan, scans)...)
		data = append(data, 0xFF, markerEOI)
		_, err := planJPEG(data, Size{224, 224})
		var failure *Error
		if errors.As(err, &failure); (failure == nil) != (want == "") || failure != nil && failure.Code != want {
			t.Errorf("%d scans: %v", scans, err)
		}
	}
}
