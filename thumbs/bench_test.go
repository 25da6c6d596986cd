package thumbs

import (
	"bytes"
	"image"
	"image/jpeg"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/image/draw"

	"shoebox/captioner/picture"
)

// BenchmarkThumbnailBesideDecoding says what a thumbnail costs when a picture of
// twelve megapixels is decoded for the model anyway.
func BenchmarkThumbnailBesideDecoding(b *testing.B) {
	file, err := os.Open("../testdata/photos/raccoon.jpg")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	small, err := jpeg.Decode(file)
	if err != nil {
		b.Fatal(err)
	}
	large := image.NewRGBA(image.Rect(0, 0, 4000, 3000))
	draw.BiLinear.Scale(large, large.Rect, small, small.Bounds(), draw.Src, nil)
	var data bytes.Buffer
	if err := jpeg.Encode(&data, large, &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	model := picture.Size{Width: 224, Height: 224}
	cache := Open(b.TempDir(), 1<<30)
	pic, err := picture.DecodeBoth(data.Bytes(), model, SizeBeside)
	if err != nil {
		b.Fatal(err)
	}
	n := byte(0)
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"decoded for the model", func() error { _, err := picture.Decode(data.Bytes(), model); return err }},
		{"decoded for both", func() error { _, err := picture.DecodeBoth(data.Bytes(), model, SizeBeside); return err }},
		{"encoded", func() error { _, err := Encode(pic.Small.Pixels, pic.Small.Size); return err }},
		{"encoded and kept", func() error { n++; return cache.KeepThumb(idOf(n), pic.Small) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			before := processorTime(b)
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((processorTime(b)-before).Seconds()*1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

// processorTime is what this process has used so far: other programs don't count.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
