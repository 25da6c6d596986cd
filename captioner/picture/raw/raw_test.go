package raw

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// smallJPEG is a JPEG file up to its size.
func smallJPEG(frame, bits byte, width, height uint16) []byte {
	out := []byte{0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 'x', 'x', 0xFF, frame, 0, 17, bits}
	out = binary.BigEndian.AppendUint16(out, height)
	out = binary.BigEndian.AppendUint16(out, width)
	return append(out, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0)
}

func TestOnlyAJPEGThatCanBeShownIsAPreview(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"baseline":              {smallJPEG(0xC0, 8, 640, 480), true},
		"progressive":           {smallJPEG(0xC2, 8, 640, 480), true},
		"filled up":             {bytes.Replace(smallJPEG(0xC0, 8, 640, 480), []byte{0xFF, 0xC0}, []byte{0xFF, 0xFF, 0xFF, 0xC0}, 1), true},
		"lossless":              {smallJPEG(0xC3, 8, 640, 480), false},
		"of 12 bits":            {smallJPEG(0xC1, 12, 640, 480), false},
		"of no size":            {smallJPEG(0xC0, 8, 0, 480), false},
		"cut off":               {smallJPEG(0xC0, 8, 640, 480)[:14], false},
		"a signature by chance": {[]byte("\xFF\xD8\xFF\x12\x34\x56\x78\x9A\xBC\xDE"), false},
		"nothing":               {nil, false},
	} {
		if _, ok := parsePreview(c.data); ok != c.want {
			t.Errorf("%s: %v, want %v", name, ok, c.want)
		}
	}
}

// Directories that point to each other, signatures without end: the work that a
// file makes is bounded by its size.
func TestHostileFilesEndSoon(t *testing.T) {
	loop := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\xC6\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00")
	const size = 20 << 20
	for name, data := range map[string][]byte{
		"a directory that follows itself": append(loop, bytes.Repeat([]byte{8, 0, 0, 0}, size/4)...),
		"signatures only":                 append([]byte("II*\x00\x10\x00\x00\x00CR\x02\x00\x00\x00\x00\x00"), bytes.Repeat([]byte("\xFF\xD8\xFF\xE0\x00\x02"), size/6)...),
		"bytes like a signature":          append([]byte("FUJIFILMCCD-RAW "), bytes.Repeat([]byte("\xFF\xD8\xFF\xD8"), size/4)...),
		"filling":                         append([]byte("FUJIFILMCCD-RAW "), append(make([]byte, 100), append([]byte("\xFF\xD8"), bytes.Repeat([]byte{0xFF}, size)...)...)...),
	} {
		start := time.Now()
		Open(data)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// FuzzOpen looks for panics, and for previews that are none.
func FuzzOpen(f *testing.F) {
	jpeg := smallJPEG(0xC0, 8, 1200, 800)
	box := func(name string, body []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), append([]byte(name), body...)...)
	}
	f.Add(append([]byte("II*\x00\x10\x00\x00\x00CR\x02\x00\x00\x00\x00\x00"), jpeg...))
	f.Add(append([]byte("IIU\x00\x08\x00\x00\x00\x01\x00\x2E\x00\x07\x00\x22\x00\x00\x00\x1A\x00\x00\x00\x00\x00\x00\x00"), jpeg...))
	f.Add(append([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\xC6\x12\x00\x01\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00"), jpeg...))
	raf := append([]byte("FUJIFILMCCD-RAW "), make([]byte, 84)...)
	raf[87], raf[91] = 100, byte(len(jpeg))
	f.Add(append(raf, jpeg...))
	stbl := box("stbl", append(box("stsz", []byte{0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, 1}), box("stco", []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 200})...))
	f.Add(append(box("ftyp", []byte("crx \x00\x00\x00\x01")), append(box("moov", box("trak", box("mdia", box("minf", stbl)))), jpeg...)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, ok := Open(data)
		if !ok {
			return
		}
		if file.Format == "" {
			t.Error("a raw file of no format")
		}
		if _, ok := parsePreview(file.Preview); file.Preview != nil && !ok {
			t.Errorf("a preview that begins with %.20q", file.Preview)
		}
	})
}
