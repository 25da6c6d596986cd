package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gen2brain/jpegn"
	"golang.org/x/image/draw"

	"shoebox/captioner/picture/turbojpeg"
)

var modelInput = Size{224, 224}

// twelveMegapixels is a JPEG of 4000x3000 pixels and the detail of a photo:
// the sample of a raccoon, enlarged, with a grain over it. About 4 MB.
func twelveMegapixels(b *testing.B, options jpegn.EncodeOptions) []byte {
	b.Helper()
	data, err := os.ReadFile("../../testdata/photos/raccoon.jpg")
	if err != nil {
		b.Fatal(err)
	}
	small, err := jpeg.Decode(bytes.NewReader(data))
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
	var out bytes.Buffer
	if err := jpegn.Encode(&out, img, &options); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkTwelveMegapixelJPEG compares in one run what a file costs from its
// bytes to the model's pixels: cpu-ms/op is processor time, so that neither the
// number of cores nor other programs count, and x is how many times less that
// is than of the plain way. libvips runs where its command vipsthumbnail is.
func BenchmarkTwelveMegapixelJPEG(b *testing.B) {
	for name, options := range map[string]jpegn.EncodeOptions{
		"baseline":    {},
		"progressive": {Progressive: true},
	} {
		data := twelveMegapixels(b, options)
		var plain time.Duration // an operation
		report := func(b *testing.B, cpu time.Duration) {
			each := cpu / time.Duration(b.N)
			b.ReportMetric(each.Seconds()*1000, "cpu-ms/op")
			if plain > 0 {
				b.ReportMetric(plain.Seconds()/each.Seconds(), "x")
			}
		}
		ours := func(library *turbojpeg.Library) func(b *testing.B) {
			return func(b *testing.B) {
				b.ReportAllocs()
				start := processorTime(b)
				for range b.N {
					decodeWith(b, library, data)
				}
				report(b, processorTime(b)-start)
			}
		}
		b.Run(name+"/image+jpeg and x+image CatmullRom", func(b *testing.B) {
			b.ReportAllocs()
			start := processorTime(b)
			for range b.N {
				img, err := jpeg.Decode(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				out := image.NewRGBA(image.Rect(0, 0, modelInput.Width, modelInput.Height))
				draw.CatmullRom.Scale(out, out.Rect, img, img.Bounds(), draw.Src, nil)
			}
			plain = (processorTime(b) - start) / time.Duration(b.N)
			report(b, processorTime(b)-start)
		})
		b.Run(name+"/picture with jpegn", ours(nil))
		b.Run(name+"/picture with libturbojpeg", func(b *testing.B) { ours(needTurbo(b))(b) })
		b.Run(name+"/libvips", func(b *testing.B) { report(b, vipsTime(b, data, b.N)) })
	}
}

func decodeWith(b *testing.B, library *turbojpeg.Library, data []byte) {
	p, err := planJPEGWith(library, data, modelInput)
	if err != nil {
		b.Fatal(err)
	}
	src, err := p.open()
	if err != nil {
		b.Fatal(err)
	}
	resample(src, modelInput)
	src.done()
}

func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// vipsTime is what libvips takes for n pictures, less what it takes to start.
func vipsTime(b *testing.B, data []byte, n int) time.Duration {
	program, err := exec.LookPath("vipsthumbnail")
	if err != nil {
		b.Skip("needs vipsthumbnail (Debian: libvips-tools)")
	}
	path := filepath.Join(b.TempDir(), "photo.jpg")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	run := func(n int) time.Duration {
		args := []string{"--size", fmt.Sprintf("%dx%d!", modelInput.Width, modelInput.Height), "--output", "thumbnail.v"}
		for range n {
			args = append(args, path)
		}
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "VIPS_CONCURRENCY=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return run(n+1) - run(1)
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"inputs/coffee.png", "../../../testdata/photos/china.jpg"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(data, modelInput); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
