package picture_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"github.com/gen2brain/jpegn"
	"golang.org/x/image/draw"

	"shoebox/captioner/picture"
)

// twelveMegapixels is a JPEG of 4000x3000 pixels and the detail of a photo:
// the sample of a raccoon, enlarged, with a grain over it. About 4 MB.
func twelveMegapixels(b *testing.B, options jpegn.EncodeOptions) []byte {
	b.Helper()
	small, err := jpeg.Decode(bytes.NewReader(readInput(b, "raccoon.jpg")))
	if err != nil {
		b.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 4000, 3000))
	draw.BiLinear.Scale(img, img.Rect, small, small.Bounds(), draw.Src, nil)
	seed := uint32(1)
	for i := 0; i < len(img.Pix); i += 4 {
		seed = seed*1664525 + 1013904223
		grain := int(seed>>28) - 8
		for c := range 3 {
			img.Pix[i+c] = byte(min(max(int(img.Pix[i+c])+grain, 0), 255))
		}
	}
	options.Quality = 90
	return encodeJPEG(b, img, options)
}

// BenchmarkTwelveMegapixelJPEG compares us with the plain way in one run; the
// metric "x" is how many times faster we are.
func BenchmarkTwelveMegapixelJPEG(b *testing.B) {
	data := twelveMegapixels(b, jpegn.EncodeOptions{})
	var plain float64
	b.Run("image+jpeg and x+image BiLinear", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			img, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			out := image.NewRGBA(image.Rect(0, 0, 224, 224))
			draw.BiLinear.Scale(out, out.Rect, img, img.Bounds(), draw.Src, nil)
		}
		plain = b.Elapsed().Seconds() / float64(b.N)
	})
	b.Run("picture.Decode", func(b *testing.B) {
		b.ReportAllocs()
		decodeAll(b, data)
		if plain > 0 {
			b.ReportMetric(plain/(b.Elapsed().Seconds()/float64(b.N)), "x")
		}
	})
	b.ReportMetric(float64(len(data))/1e6, "MB")
}

func BenchmarkDecode(b *testing.B) {
	for name, data := range map[string][]byte{
		"progressive JPEG of 12 MP": twelveMegapixels(b, jpegn.EncodeOptions{Progressive: true}),
		"PNG photo":                 readInput(b, "coffee.png"),
		"JPEG photo":                readInput(b, "china.jpg"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			decodeAll(b, data)
		})
	}
}

func decodeAll(b *testing.B, data []byte) {
	b.Helper()
	for b.Loop() {
		if _, err := picture.Decode(data, modelSize); err != nil {
			b.Fatal(err)
		}
	}
}
