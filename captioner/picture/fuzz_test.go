package picture_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gen2brain/jpegn"

	"shoebox/captioner/picture"
)

// FuzzDecode looks for panics that get through, wrong results and memory that
// was not estimated. Panics of the decoders become errors with the code
// "broken". To search, run it with -fuzztime, and with -fuzzminimizetime 10x:
// by default Go spends a minute on making each find smaller.
func FuzzDecode(f *testing.F) {
	const maxInput = 64 << 10
	inputs, err := filepath.Glob("testdata/inputs/*")
	if err != nil || len(inputs) == 0 {
		f.Fatalf("%d inputs, %v", len(inputs), err)
	}
	for _, path := range inputs {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
		// What is made once in a process is no picture's memory: the programs
		// of the HEIC and AVIF decoders.
		if _, err := picture.Decode(data, picture.Size{Width: 24, Height: 16}); err != nil {
			f.Fatalf("%s: %v", path, err)
		}
	}
	f.Add(encodeJPEG(f, texture(64, 64), jpegn.EncodeOptions{RestartInterval: 2}))
	f.Add(encodeJPEG(f, texture(64, 64), jpegn.EncodeOptions{Progressive: true, RestartInterval: 2}))
	for _, data := range rawFiles(f) {
		f.Add(data)
	}
	f.Add(everything)
	f.Add(tinyTIFF())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxInput {
			return
		}
		to := picture.Size{Width: 24, Height: 16}
		before := bytes.Clone(data)
		estimate, err := picture.EstimateMemory(data, to)
		if err == nil && estimate > 64<<20 {
			return // allowed to be, but a few of these at once fill the machine
		}
		begun := time.Now()
		var p picture.Picture
		taken := int64(allocated(func() { p, err = picture.Decode(data, to) }))
		if took := time.Since(begun); took > 5*time.Second {
			t.Fatalf("took %s", took)
		}
		// Metadata and decoders' tables have 4 MB.
		if taken > estimate+estimate/10+4<<20 {
			t.Fatalf("took %d kB of memory, estimated %d kB", taken>>10, estimate>>10)
		}
		if !bytes.Equal(data, before) {
			t.Fatal("Decode changed its input")
		}
		var e *picture.Error
		switch {
		case errors.As(err, &e) && e.Code != "" && e.Text != "":
			return
		case err != nil:
			t.Fatalf("an error without a code or a text: %#v", err)
		}
		if len(p.Pixels) != 3*24*16 || p.Width < 1 || p.Height < 1 || p.Format == "" {
			t.Fatalf("%d bytes of pixels, %dx%d, format %q", len(p.Pixels), p.Width, p.Height, p.Format)
		}
	})
}
