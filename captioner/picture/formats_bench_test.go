package picture_test

import (
	"bytes"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen2brain/jpegn"
	"golang.org/x/image/draw"
	"golang.org/x/sys/unix"

	"shoebox/captioner/picture"
)

// BenchmarkFormats decodes one file of each format, from its bytes to the
// model's pixels, and says how much memory that takes at its peak. The HEIC
// files are of real telephones and cameras: of ../shared and of the tests of
// bep/imagemeta. The raw files are built around a 24 megapixel preview, as most
// cameras write it.
//
//	go test ./captioner/picture -run xxx -bench Formats -benchtime 3x
func BenchmarkFormats(b *testing.B) {
	files := rawOf24Megapixels(b)
	samples := []struct{ name, path string }{
		{"heic 12 MP, iPhone 13 Pro Max", sharedPhotos + "/exif-samples/heic/mobile/iphone_13_pro_max.HEIC"},
		{"heic 24 MP, iPhone 15 Pro", imagemetaSample("iphone.heic")},
		{"heic 26 MP of 10 bits, Sony ILCE-6700", imagemetaSample("sony.heif")},
		{"avif 0.7 MP", imagemetaSample("bep/sunrise.avif")},
	}
	for _, s := range samples {
		if data, err := os.ReadFile(s.path); err == nil {
			files[s.name] = data
		}
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.Run(name, func(b *testing.B) { measureFormat(b, files[name]) })
	}
}

func measureFormat(b *testing.B, data []byte) {
	estimate, err := picture.EstimateMemory(data, modelSize)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := picture.Decode(data, modelSize); err != nil { // starts the decoder
		b.Fatal(err)
	}
	debug.FreeOSMemory()
	before := resident(b, "VmRSS:")
	// The highest memory so far is forgotten: proc_pid_clear_refs(5).
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skip(err)
	}
	began := processorTime(b)
	for b.Loop() {
		if _, err := picture.Decode(data, modelSize); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((processorTime(b)-began).Seconds()*1000/float64(b.N), "CPU-ms")
	b.ReportMetric(float64(resident(b, "VmHWM:")-before)/1e6, "MB-peak")
	b.ReportMetric(float64(estimate)/1e6, "MB-estimated")
}

// processorTime is what this process has used, which on a busy machine is less
// than the time that passes.
func processorTime(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// resident reads a line of /proc/self/status, in bytes.
func resident(b *testing.B, line string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	var kilobytes int64
	_, rest, _ := strings.Cut(string(status), line)
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		b.Fatal(err)
	}
	return kilobytes << 10
}

// imagemetaSample is the path of a file in the tests of a module that is in the
// module cache anyway.
func imagemetaSample(name string) string {
	dir, _ := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/bep/imagemeta").Output()
	return filepath.Join(strings.TrimSpace(string(dir)), "testdata", "images", name)
}

// rawOf24Megapixels has a file of each raw format with a large preview and a
// sensor's data of 25 MB.
func rawOf24Megapixels(b *testing.B) map[string][]byte {
	photo, _, err := image.Decode(bytes.NewReader(readInput(b, "china.jpg")))
	if err != nil {
		b.Fatal(err)
	}
	large := image.NewRGBA(image.Rect(0, 0, 6000, 4000))
	draw.BiLinear.Scale(large, large.Rect, photo, photo.Bounds(), draw.Src, nil)
	parts := newRawParts(b)
	parts.preview = encodeJPEG(b, large, jpegn.EncodeOptions{Quality: 92})
	parts.sensor = append(parts.sensor, bytes.Repeat([]byte("sensor's data"), 2_000_000)...)
	files := map[string][]byte{}
	for format, data := range rawFilesOf(parts) {
		files["raw "+format+" with a preview of 24 MP"] = data
	}
	return files
}
