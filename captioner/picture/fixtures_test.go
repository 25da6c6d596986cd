package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/gen2brain/jpegn"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"shoebox/captioner/picture"
)

var modelSize = picture.Size{Width: 224, Height: 224}

// texture is a picture with the same amount of detail everywhere, so that a
// share of its file's bytes is the same share of its rows. It is orange all
// over: rows that a decoder made up stand out.
func texture(width, height int) *image.RGBA {
	random := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := 0; i < len(img.Pix); i += 4 {
		v := byte(random.IntN(60))
		img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = 190+v, 100+v, 10+v/2, 255
	}
	return img
}

func grey(img image.Image) *image.Gray {
	g := image.NewGray(img.Bounds())
	for y := range g.Rect.Dy() {
		for x := range g.Rect.Dx() {
			g.Set(x, y, img.At(x, y))
		}
	}
	return g
}

func encodeJPEG(t testing.TB, img image.Image, options jpegn.EncodeOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if options.Quality == 0 {
		options.Quality = 85
	}
	if err := jpegn.Encode(&b, img, &options); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeTIFF(t testing.TB, img image.Image, c tiff.CompressionType) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tiff.Encode(&b, img, &tiff.Options{Compression: c}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeBMP(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := bmp.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wantFailure checks an error's code and whether it is for good.
func wantFailure(t *testing.T, err error, code string) *picture.Error {
	t.Helper()
	var e *picture.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Code != code || e.Unsupported != (code == "unsupported") {
		t.Fatalf("got %q (unsupported %v): %s; want %q", e.Code, e.Unsupported, e.Text, code)
	}
	return e
}

// tag is an entry of a TIFF directory for tiffBytes.
type tag struct {
	id, kind uint16
	values   []uint32 // shorts (kind 3), longs (4), or pairs for rationals (5)
	text     string   // kind 2
	sub      []tag    // a directory, for pointers
}

// tiffBytes writes little-endian TIFF structure, which is also that of EXIF.
func tiffBytes(tags ...tag) []byte {
	out := []byte("II*\x00\x08\x00\x00\x00")
	return appendDirectory(out, tags)
}

func appendDirectory(out []byte, tags []tag) []byte {
	le := binary.LittleEndian
	start := len(out)
	out = le.AppendUint16(out, uint16(len(tags)))
	out = append(out, make([]byte, 12*len(tags)+4)...)
	for i, t := range tags {
		kind, count, body := t.kind, len(t.values), []byte(nil)
		switch {
		case t.sub != nil:
			kind, count = 4, 1
			offset := len(out)
			out = appendDirectory(out, t.sub)
			body = le.AppendUint32(nil, uint32(offset))
		case kind == 2:
			body = append([]byte(t.text), 0)
			count = len(body)
		case kind == 3:
			for _, v := range t.values {
				body = le.AppendUint16(body, uint16(v))
			}
		default:
			for _, v := range t.values {
				body = le.AppendUint32(body, v)
			}
			if kind == 5 {
				count /= 2
			}
		}
		entry := start + 2 + 12*i
		le.PutUint16(out[entry:], t.id)
		le.PutUint16(out[entry+2:], kind)
		le.PutUint32(out[entry+4:], uint32(count))
		if len(body) <= 4 {
			copy(out[entry+8:], body)
			continue
		}
		le.PutUint32(out[entry+8:], uint32(len(out)))
		out = append(out, body...)
	}
	return out
}

// segment is a JPEG segment.
func segment(marker byte, contents []byte) []byte {
	out := []byte{0xFF, marker}
	out = binary.BigEndian.AppendUint16(out, uint16(len(contents)+2))
	return append(out, contents...)
}

// withSegment puts a segment behind the start of a JPEG file.
func withSegment(jpeg []byte, marker byte, contents []byte) []byte {
	out := append([]byte{}, jpeg[:2]...)
	out = append(out, segment(marker, contents)...)
	return append(out, jpeg[2:]...)
}

func solid(width, height int, c color.Color) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, c)
		}
	}
	return img
}
