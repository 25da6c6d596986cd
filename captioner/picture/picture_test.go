package picture_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"runtime"
	"strings"
	"testing"

	"github.com/gen2brain/jpegn"
	"golang.org/x/image/tiff"

	"shoebox/captioner/picture"
)

func TestPictureNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a.jpg": true, "A.JPG": true, "dir.d/a b.Jpeg": true, "a.jfif": true, "a.tiff": true,
		"a.heic": true, "a.CR2": true, "a.dng": true, "\xff\xfe.png": true, "a.b.webp": true,
		"": false, "jpg": false, "README": false, "a.txt": false, "a.rst": false, "a.jpg.xmp": false,
		"a.mov": false, "a.jpg/b": false, ".": false, "a.": false,
	} {
		if got := picture.IsPictureName(name); got != want {
			t.Errorf("IsPictureName(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestWhatIsNotAPictureFails(t *testing.T) {
	box := func(brands string) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(12+len(brands)))
		return append(append(b, "ftyp"+brands[:4]+"\x00\x00\x00\x00"...), brands[4:]...)
	}
	raw := tag{id: 0x0106, kind: 3, values: []uint32{32803}}
	for name, c := range map[string]struct {
		data []byte
		code string
		text string // part of what a person is told
	}{
		"an empty file":          {nil, "empty", "empty"},
		"text named .jpg":        {[]byte("Dear diary, this is no picture."), "not-a-picture", "Dear diary"},
		"zeros":                  {make([]byte, 5000), "not-a-picture", ""},
		"a single byte":          {[]byte{0xFF}, "not-a-picture", ""},
		"an MP4 video":           {box("isommp42avc1"), "not-a-picture", ""},
		"a QuickTime video":      {box("qt  "), "not-a-picture", ""},
		"an AVI video":           {[]byte("RIFF\x00\x10\x00\x00AVI LIST"), "not-a-picture", ""},
		"HEIC":                   {box("heicmif1heic"), "unsupported", "HEIC"},
		"HEIC by a late brand":   {box("xxxxmif1heic"), "unsupported", "HEIC"},
		"AVIF":                   {box("mif1avifmiaf"), "unsupported", "AVIF"},
		"Canon CR3":              {box("crx isom"), "unsupported", "CR3"},
		"Fujifilm RAF":           {[]byte("FUJIFILMCCD-RAW 0201FF383501"), "unsupported", "RAF"},
		"Olympus ORF":            {[]byte("IIRO\x08\x00\x00\x00"), "truncated", "ORF"},
		"Panasonic RW2":          {[]byte("IIU\x00\x18\x00\x00\x00"), "truncated", "RW2"},
		"Canon CR2":              {[]byte("II*\x00\x10\x00\x00\x00CR\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "unsupported", "CR2"},
		"DNG":                    {tiffBytes(tag{id: 0x0100, kind: 3, values: []uint32{160}}, tag{id: 0xC612, kind: 3, values: []uint32{1, 4}}), "unsupported", "DNG"},
		"Nikon NEF":              {tiffBytes(tag{id: 0x010F, kind: 2, text: "NIKON CORPORATION"}, tag{id: 0x014A, sub: []tag{raw}}), "unsupported", "NEF"},
		"Sony ARW":               {tiffBytes(tag{id: 0x010F, kind: 2, text: "SONY"}, tag{id: 0x014A, sub: []tag{raw}}), "unsupported", "ARW"},
		"Pentax PEF":             {tiffBytes(tag{id: 0x0103, kind: 3, values: []uint32{65535}}, tag{id: 0x010F, kind: 2, text: "PENTAX"}), "unsupported", "PEF"},
		"JPEG XL":                {[]byte("\xFF\x0A\x00\x00"), "unsupported", "JPEG XL"},
		"a JPEG start alone":     {[]byte("\xFF\xD8\xFF"), "truncated", "none of it"},
		"a JPEG without a frame": {[]byte("\xFF\xD8\xFF\xD9"), "broken", ""},
		"a PNG start alone":      {[]byte("\x89PNG\r\n\x1A\n"), "truncated", ""},
		"a GIF start alone":      {[]byte("GIF89a"), "truncated", ""},
		"a TIFF start alone":     {[]byte("II*\x00"), "truncated", ""},
		"a WebP start alone":     {[]byte("RIFF\x1e\x00\x00\x00WEBP"), "truncated", ""},
		"a BMP start alone":      {[]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x28\x00\x00\x00"), "truncated", ""},
		"12-bit JPEG":            {jpegHeader(640, 480, 0xC1, 12), "unsupported", "8 bits"},
		"lossless JPEG":          {jpegHeader(640, 480, 0xC3, 8), "unsupported", "lossless"},
		"arithmetic-coded JPEG":  {jpegHeader(640, 480, 0xC9, 8), "unsupported", "arithmetic"},
		"a JPEG of no height":    {jpegHeader(640, 0, 0xC0, 8), "broken", "640x0"},
		"a JPEG that promises more than it can hold": {jpegHeader(9000, 9000, 0xC0, 8), "truncated", "9000x9000"},
		"a PNG that promises more than it can hold":  {pngHeader(9000, 9000, 8, 2), "truncated", "9000x9000"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := picture.Decode(c.data, modelSize)
			e := wantFailure(t, err, c.code)
			if !strings.Contains(e.Text, c.text) {
				t.Errorf("%q does not say %q", e.Text, c.text)
			}
			if _, err := picture.EstimateMemory(c.data, modelSize); err != nil {
				wantFailure(t, err, c.code)
			}
		})
	}
}

func TestSizesThatNoModelWantsAreRefused(t *testing.T) {
	for _, to := range []picture.Size{{}, {Width: 224}, {Width: -1, Height: 224}, {Width: 1 << 20, Height: 1 << 20}} {
		_, err := picture.Decode(readInput(t, "one-pixel.png"), to)
		wantFailure(t, err, "wrong-size")
	}
}

func TestWhatAPictureWouldTakeIsKnownBeforeItIsTaken(t *testing.T) {
	const side = 30_000
	for name, data := range map[string][]byte{
		"JPEG":                           jpegHeader(side, side, 0xC0, 8),
		"progressive JPEG":               jpegHeader(side, side, 0xC2, 8),
		"PNG":                            pngHeader(side, side, 8, 2),
		"16-bit PNG of 100 megapixels":   append(pngHeader(10_000, 10_000, 16, 6), make([]byte, 1<<20)...),
		"GIF":                            []byte("GIF89a\x30\x75\x30\x75\x00\x00\x00\x2C\x00\x00\x00\x00\x30\x75\x30\x75\x00"),
		"TIFF":                           tiffBytes(tag{id: 0x0100, kind: 4, values: []uint32{side}}, tag{id: 0x0101, kind: 4, values: []uint32{side}}),
		"TIFF of one huge packed strip":  tiffBytes(tag{id: 0x0100, kind: 4, values: []uint32{9000}}, tag{id: 0x0101, kind: 4, values: []uint32{9000}}, tag{id: 0x0103, kind: 3, values: []uint32{8}}),
		"BMP":                            append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x30\x75\x00\x00\x30\x75\x00\x00\x01\x00\x18\x00"), make([]byte, 24)...),
		"WebP":                           webpHeader(16_000, 16_000),
		"progressive JPEG of 240 MP":     append(jpegHeader(15_500, 15_500, 0xC2, 8), make([]byte, 1<<20)...),
		"JPEG with more than 65535 rows": jpegHeader(65535, 65535, 0xC0, 8),
	} {
		t.Run(name, func(t *testing.T) {
			var need int64
			var err error
			taken := allocated(func() { need, err = picture.EstimateMemory(data, modelSize) })
			if err != nil {
				if e := wantFailure(t, err, "too-large"); !strings.Contains(e.Text, "limit is") {
					t.Errorf("%q does not name the limit", e.Text)
				}
			} else if need < 600<<20 {
				t.Errorf("would take %d MB", need>>20)
			}
			if taken > 1<<20 {
				t.Errorf("took %d bytes to tell", taken)
			}
		})
	}
}

// allocated measures what a call takes from the heap, all in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestFilesCutInHalfAreTruncated(t *testing.T) {
	img := texture(200, 150)
	for name, data := range map[string][]byte{
		"PNG":               encodePNG(t, img),
		"uncompressed TIFF": encodeTIFF(t, img, tiff.Uncompressed),
		"BMP":               encodeBMP(t, img),
		"GIF":               readInput(t, "still.gif"),
		"lossy WebP":        readInput(t, "lossy.webp"),
		"lossless WebP":     readInput(t, "alpha-lossless.webp"),
		"CMYK JPEG":         readInput(t, "cmyk.jpg"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := picture.Decode(data[:len(data)/2], modelSize)
			wantFailure(t, err, "truncated")
		})
	}
}

func TestTIFFVariantsNobodyReadsAreUnsupported(t *testing.T) {
	plain := readInput(t, "uncompressed.tiff")
	for name, change := range map[string]struct {
		id    uint16
		value uint16
	}{
		"JPEG in TIFF":           {0x0103, 7},
		"old JPEG in TIFF":       {0x0103, 6},
		"YCbCr":                  {0x0106, 6},
		"CMYK":                   {0x0106, 5},
		"separate colour planes": {0x011C, 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := picture.Decode(setShort(t, plain, change.id, change.value), modelSize)
			wantFailure(t, err, "unsupported")
		})
	}
}

// setShort changes the value of a tag in the first directory of a
// little-endian TIFF file.
func setShort(t *testing.T, data []byte, id, value uint16) []byte {
	t.Helper()
	le := binary.LittleEndian
	data = bytes.Clone(data)
	at := le.Uint32(data[4:])
	for i := range uint32(le.Uint16(data[at:])) {
		if entry := data[at+2+12*i:]; le.Uint16(entry) == id {
			le.PutUint16(entry[8:], value)
			return data
		}
	}
	t.Fatalf("the fixture has no tag %#x", id)
	return nil
}

func TestFormatIsThatOfTheBytes(t *testing.T) {
	for input, want := range map[string]string{
		"still.gif": "gif", "lossy.webp": "webp", "colour.bmp": "bmp", "grey.png": "png",
		"cmyk.jpg": "jpeg", "progressive.jpg": "jpeg", "deflate.tiff": "tiff",
	} {
		p, err := picture.Decode(readInput(t, input), modelSize)
		if err != nil || p.Format != want {
			t.Errorf("%s: format %q, %v; want %q", input, p.Format, err, want)
		}
	}
}

func TestSizeIsThatOfTheUprightPicture(t *testing.T) {
	for input, want := range map[string]picture.Size{
		"orientation-1.jpg": {Width: 151, Height: 101}, "orientation-4.jpg": {Width: 151, Height: 101},
		"orientation-5.jpg": {Width: 101, Height: 151}, "orientation-8.jpg": {Width: 101, Height: 151},
		"orientation-6.png": {Width: 51, Height: 75}, "orientation-6.tiff": {Width: 51, Height: 75},
	} {
		p, err := picture.Decode(readInput(t, input), modelSize)
		if got := (picture.Size{Width: p.Width, Height: p.Height}); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", input, got, err, want)
		}
	}
}

func TestAFrameSmallerThanItsScreenLiesOnWhite(t *testing.T) {
	// A GIF with a screen of 4x4 and a black frame of 2x2 at its bottom right.
	data := []byte("GIF89a\x04\x00\x04\x00\x80\x00\x00\x00\x00\x00\xFF\xFF\xFF" +
		"\x2C\x02\x00\x02\x00\x02\x00\x02\x00\x00\x02\x02\x84\x51\x00\x3B")
	p, err := picture.Decode(data, picture.Size{Width: 4, Height: 4})
	if err != nil {
		t.Fatal(err)
	}
	for y := range 4 {
		for x := range 4 {
			want := byte(255)
			if x >= 2 && y >= 2 {
				want = 0
			}
			if got := p.Pixels[3*(4*y+x)]; got != want {
				t.Errorf("pixel %d,%d is %d, want %d", x, y, got, want)
			}
		}
	}
}

func TestOnePixelFillsThePicture(t *testing.T) {
	red := color.NRGBA{R: 200, G: 10, B: 30, A: 255}
	for name, data := range map[string][]byte{
		"PNG":  encodePNG(t, solid(1, 1, red)),
		"BMP":  encodeBMP(t, solid(1, 1, red)),
		"TIFF": encodeTIFF(t, solid(1, 1, red), tiff.Deflate),
		"JPEG": encodeJPEG(t, solid(1, 1, red), jpegn.EncodeOptions{Quality: 100}),
	} {
		p, err := picture.Decode(data, modelSize)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := bytes.Repeat([]byte{200, 10, 30}, 224*224)
		if worst, _ := compare(p.Pixels, want); worst > 3 {
			t.Errorf("%s: a pixel is off by %d", name, worst)
		}
	}
}

// The estimate is what keeps a worker within its memory: what decoding really
// takes must not be more. Allocations are counted even after they are freed,
// so a tenth, and a megabyte for tables and buffers, is allowed on top.
func TestTheEstimateCoversWhatDecodingTakes(t *testing.T) {
	img := texture(900, 700)
	deep := image.NewNRGBA64(img.Rect)
	for i := range deep.Pix {
		deep.Pix[i] = byte(i)
	}
	for name, data := range map[string][]byte{
		"baseline JPEG":     encodeJPEG(t, img, jpegn.EncodeOptions{}),
		"4:4:4 JPEG":        encodeJPEG(t, img, jpegn.EncodeOptions{Subsampling: jpegn.Subsample444}),
		"progressive JPEG":  encodeJPEG(t, img, jpegn.EncodeOptions{Progressive: true}),
		"grey JPEG":         encodeJPEG(t, grey(img), jpegn.EncodeOptions{}),
		"PNG":               encodePNG(t, img),
		"grey PNG":          encodePNG(t, grey(img)),
		"16-bit PNG":        encodePNG(t, deep),
		"TIFF":              encodeTIFF(t, img, tiff.Uncompressed),
		"deflated TIFF":     readInput(t, "deflate.tiff"),
		"BMP":               encodeBMP(t, img),
		"lossy WebP":        readInput(t, "lossy.webp"),
		"lossless WebP":     readInput(t, "alpha-lossless.webp"),
		"transparent WebP":  readInput(t, "alpha-lossy.webp"),
		"GIF":               readInput(t, "still.gif"),
		"CMYK JPEG":         readInput(t, "cmyk.jpg"),
		"JPEG kept as RGB":  readInput(t, "rgb.jpg"),
		"a photo of NASA's": readInput(t, "hubble_deep_field.jpg"),
	} {
		t.Run(name, func(t *testing.T) {
			estimate, err := picture.EstimateMemory(data, modelSize)
			if err != nil {
				t.Fatal(err)
			}
			taken := allocated(func() { _, err = picture.Decode(data, modelSize) })
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("estimated %d kB, took %d kB", estimate>>10, taken>>10)
			if int64(taken) > estimate+estimate/10+1<<20 {
				t.Errorf("took %d kB, estimated %d kB", taken>>10, estimate>>10)
			}
		})
	}
}

// jpegHeader is a JPEG file up to its picture: a frame of three components
// and the beginning of a scan.
func jpegHeader(width, height int, frame, bits byte) []byte {
	be := binary.BigEndian
	sof := be.AppendUint16([]byte{bits}, uint16(height))
	sof = be.AppendUint16(sof, uint16(width))
	sof = append(sof, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0)
	out := append([]byte{0xFF, 0xD8}, segment(frame, sof)...)
	out = append(out, segment(0xDA, []byte{3, 1, 0, 2, 0, 3, 0, 0, 63, 0})...)
	return append(out, "some entropy-coded data\xFF\xD9"...)
}

func pngHeader(width, height uint32, depth, colorType byte) []byte {
	be := binary.BigEndian
	ihdr := be.AppendUint32([]byte("IHDR"), width)
	ihdr = append(be.AppendUint32(ihdr, height), depth, colorType, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1A\n\x00\x00\x00\x0D"), ihdr...)
	out = be.AppendUint32(out, crc32.ChecksumIEEE(ihdr))
	return append(out, "\x00\x00\x00\x00IDAT"...)
}

// webpHeader is a WebP file with a header for a large canvas and no picture.
func webpHeader(width, height int) []byte {
	w, h := width-1, height-1
	return []byte{
		'R', 'I', 'F', 'F', 30, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8', 'X', 10, 0, 0, 0, 0, 0, 0, 0,
		byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16),
	}
}
