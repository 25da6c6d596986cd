package picture

import (
	"bytes"
	"image"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"shoebox/captioner/picture/turbojpeg"
)

// Scaling while decoding must not be seen in the result: 45 dB against the
// full decode and the training filter. The sizes are chosen so that each
// denominator is used, at its least favourable, and does not divide the
// picture's size: whoever resamples the rounded-up size falls to 33 dB.
func TestScaledDecodeStaysCloseToTheFullOne(t *testing.T) {
	eachDecoder(t, func(t *testing.T, library *turbojpeg.Library) {
		for _, name := range []string{"raccoon.jpg", "hubble_deep_field.jpg", "china.jpg", "rocket.jpg"} {
			img := cropped(t, filepath.Join("../../testdata/photos", name), 1)
			side := min(img.Bounds().Dx(), img.Bounds().Dy())
			for _, denominator := range []int{2, 4, 8} {
				to := int(float64(side) / float64(denominator) / oversampling)
				if to < 32 { // no model sees so little, and every pixel is an edge
					continue
				}
				t.Run(name, func(t *testing.T) { checkScaled(t, library, img, Size{to, to}, denominator) })
			}
		}
	})
}

func checkScaled(t *testing.T, library *turbojpeg.Library, img image.Image, to Size, denominator int) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 92}); err != nil {
		t.Fatal(err)
	}
	f := parseJPEG(b.Bytes())
	if got := f.denominator(to); got != denominator {
		t.Fatalf("a picture of %s for %s is scaled by %d, want %d", f.size, to, got, denominator)
	}
	pixels := func(denominator int) []byte {
		if library != nil {
			src, err := f.decodeTurbo(library, b.Bytes(), denominator)
			if err != nil {
				t.Fatal(err)
			}
			defer src.done()
			return resample(src, to)
		}
		img, err := f.decode(b.Bytes()[:f.scans[0].data.end], denominator)
		if err != nil {
			t.Fatal(err)
		}
		return resample(f.source(img, denominator), to)
	}
	got := psnr(pixels(denominator), pixels(1))
	t.Logf("%s for %s, scaled by %d: %.1f dB", f.size, to, denominator, got)
	if got < 45 {
		t.Errorf("%s for %s, scaled by %d: %.1f dB, want 45", f.size, to, denominator, got)
	}
}

// cropped reads a photo and cuts its right and bottom edge, so that its size
// is odd.
func cropped(t *testing.T, path string, by int) image.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx()-by-b.Dx()%2, b.Dy()-by-b.Dy()%2))
	draw.Draw(out, out.Rect, img, b.Min, draw.Src)
	return out
}
