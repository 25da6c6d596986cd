package picture_test

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"shoebox/captioner/picture"
)

const photos = "../../testdata/photos"

// The files of testdata/expected are what Pillow makes of the pictures by the
// rule of training (testdata/expected.py).
func TestPixelsAreThoseOfTraining(t *testing.T) {
	expected, err := filepath.Glob("testdata/expected/*.png")
	if err != nil || len(expected) < 40 {
		t.Fatalf("%d expected pictures, %v: run testdata/expected.py", len(expected), err)
	}
	for _, path := range expected {
		name, size := splitExpected(t, path)
		t.Run(fmt.Sprintf("%s as %dx%d", name, size.Width, size.Height), func(t *testing.T) {
			got, err := picture.Decode(readInput(t, name), size)
			if err != nil {
				t.Fatal(err)
			}
			if got.Damaged {
				t.Error("called damaged")
			}
			want := rgbOf(readPNG(t, path))
			worst, psnr := compare(got.Pixels, want)
			switch {
			case lossy(name):
				if psnr < 45 {
					t.Errorf("PSNR %.1f dB, worst difference %d; want 45 dB at least", psnr, worst)
				}
			case worst > 1:
				t.Errorf("differs by up to %d (PSNR %.1f dB); want 1 at most", worst, psnr)
			}
			t.Logf("PSNR %.1f dB, worst difference %d", psnr, worst)
		})
	}
}

// lossy formats leave it to the decoder how to compute and to enlarge the
// colour planes.
func lossy(name string) bool {
	ok, _ := regexp.MatchString(`\.(jpg|heic|avif)$|lossy|animation\.webp`, name)
	return ok
}

func splitExpected(t testing.TB, path string) (name string, size picture.Size) {
	t.Helper()
	parts := regexp.MustCompile(`^(.+)\.(\d+)x(\d+)\.png$`).FindStringSubmatch(filepath.Base(path))
	if parts == nil {
		t.Fatalf("%s is not named INPUT.WIDTHxHEIGHT.png", path)
	}
	size.Width, _ = strconv.Atoi(parts[2])
	size.Height, _ = strconv.Atoi(parts[3])
	return parts[1], size
}

// readInput reads a picture of testdata/inputs or one of the sample photos.
func readInput(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/inputs", name))
	if err != nil {
		data, err = os.ReadFile(filepath.Join(photos, name))
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readPNG(t testing.TB, path string) image.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func rgbOf(img image.Image) []byte {
	rgba := image.NewRGBA(img.Bounds())
	draw.Draw(rgba, rgba.Bounds(), img, img.Bounds().Min, draw.Src)
	rgb := make([]byte, 0, len(rgba.Pix)/4*3)
	for i := 0; i < len(rgba.Pix); i += 4 {
		rgb = append(rgb, rgba.Pix[i:i+3]...)
	}
	return rgb
}

// compare returns the worst difference of two samples and the peak
// signal-to-noise ratio in decibels.
func compare(a, b []byte) (worst int, psnr float64) {
	if len(a) != len(b) {
		return 255, 0
	}
	squares := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		worst = max(worst, d, -d)
		squares += d * d
	}
	if squares == 0 {
		return 0, math.Inf(1)
	}
	return worst, 10 * math.Log10(255*255*float64(len(a))/float64(squares))
}
