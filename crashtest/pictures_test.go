package crashtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/draw"

	"shoebox/captioner/picture"
)

// camera is what all made-up photos were taken with: a search for it finds
// them all.
const camera = "Crashtest"

// id is the SHA-256 of a file.
type id [sha256.Size]byte

// content is what shoebox has to make of a file with that ID.
type content struct {
	id    id
	photo bool   // else it is no picture, or not enough of one
	seen  uint64 // of a photo: hash of the pixels that the model sees
}

// studio makes small photos, each another one, out of the sample photos.
type studio struct {
	random  *rand.Rand
	samples []*image.RGBA
	size    picture.Size // what the model sees
	notes   int
}

func newStudio(t *testing.T, random *rand.Rand) *studio {
	t.Helper()
	s := &studio{random: random, size: modelSize(t)}
	for _, name := range []string{"astronaut.jpg", "chelsea.png", "china.jpg", "coffee.png", "raccoon.jpg", "rocket.jpg"} {
		file, err := os.Open(filepath.Join("..", "testdata", "photos", name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		sample, _, err := image.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		small := image.NewRGBA(image.Rect(0, 0, 96, 72))
		draw.ApproxBiLinear.Scale(small, small.Bounds(), sample, sample.Bounds(), draw.Src, nil)
		s.samples = append(s.samples, small)
	}
	return s
}

// photo returns a new photo and what it is.
func (s *studio) photo() ([]byte, content, error) {
	sample := s.samples[s.random.IntN(len(s.samples))]
	made := image.NewRGBA(sample.Bounds())
	copy(made.Pix, sample.Pix)
	for range 6 {
		at := image.Pt(s.random.IntN(96), s.random.IntN(72))
		shade := color.RGBA{uint8(s.random.Uint32()), uint8(s.random.Uint32()), uint8(s.random.Uint32()), 255}
		draw.Draw(made, image.Rectangle{at, at.Add(image.Pt(12, 12))}, image.NewUniform(shade), image.Point{}, draw.Src)
	}
	var encoded bytes.Buffer
	if err := jpeg.Encode(&encoded, made, nil); err != nil {
		return nil, content{}, err
	}
	data := s.withNote(encoded.Bytes())
	seen, err := picture.Decode(data, s.size)
	if err != nil {
		return nil, content{}, err
	}
	return data, content{id: sha256.Sum256(data), photo: true, seen: hashPixels(seen.Pixels)}, nil
}

// noted returns a photo as another program leaves it that wrote a note into
// it: another file, the same pixels.
func (s *studio) noted(data []byte, c content) ([]byte, content) {
	data = s.withNote(append([]byte{0xFF, 0xD8}, data[2+len(s.exif()):]...))
	c.id = sha256.Sum256(data)
	return data, c
}

// broken returns a file that is called a photo and is none.
func (s *studio) broken() ([]byte, content) {
	data := make([]byte, 300+s.random.IntN(700))
	for i := range data {
		data[i] = byte(s.random.Uint32())
	}
	if s.random.IntN(2) == 0 {
		copy(data, "\xFF\xD8\xFF\xE0\x00\x10JFIF\x00")
	}
	return data, content{id: sha256.Sum256(data)}
}

// withNote puts metadata that no other file has behind the first marker.
func (s *studio) withNote(data []byte) []byte {
	s.notes++
	return append(append([]byte{0xFF, 0xD8}, s.exif()...), data[2:]...)
}

// exif is an APP1 segment (Exif 2.3, section 4.7.2), always of the same length:
// a numbered description and the camera.
func (s *studio) exif() []byte {
	fields := []struct {
		tag  uint16
		text string
	}{{0x010E, fmt.Sprintf("note %010d", s.notes)}, {0x010F, camera}, {0x0110, camera + " One"}}
	order := binary.LittleEndian
	tiff := []byte("II*\x00\x08\x00\x00\x00")
	tiff = order.AppendUint16(tiff, uint16(len(fields)))
	texts := []byte{}
	behind := len(tiff) + 12*len(fields) + 4
	for _, f := range fields {
		tiff = order.AppendUint16(tiff, f.tag)
		tiff = order.AppendUint16(tiff, 2) // ASCII
		tiff = order.AppendUint32(tiff, uint32(len(f.text)+1))
		tiff = order.AppendUint32(tiff, uint32(behind+len(texts)))
		texts = append(append(texts, f.text...), 0)
	}
	tiff = append(append(tiff, 0, 0, 0, 0), texts...)
	segment := binary.BigEndian.AppendUint16([]byte{0xFF, 0xE1}, uint16(2+6+len(tiff)))
	return append(append(segment, "Exif\x00\x00"...), tiff...)
}
