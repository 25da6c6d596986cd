package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// planImage decodes with a decoder that makes the whole picture at once.
func planImage(data []byte, memory int64, decode func(io.Reader) (image.Image, error)) plan {
	return plan{memory, func() (source, error) {
		r := &endReader{data: data}
		img, err := decode(r)
		if err != nil {
			return source{}, r.explain(err)
		}
		return sourceOf(img), nil
	}}
}

// endReader reads from memory and notices when more is wanted than there is.
// The decoders report a file that was cut off in too many ways to tell from
// their errors.
type endReader struct {
	data   []byte
	offset int
	hitEnd bool
}

func (r *endReader) Read(p []byte) (int, error) {
	if r.offset >= len(r.data) {
		r.hitEnd = true
		return 0, io.EOF
	}
	n := copy(p, r.data[r.offset:])
	r.offset += n
	return n, nil
}

// again reads the same bytes from the beginning.
func (r *endReader) again() *endReader {
	r.offset, r.hitEnd = 0, false
	return r
}

// ReadAt is for the TIFF decoder, which copies everything otherwise.
func (r *endReader) ReadAt(p []byte, offset int64) (int, error) {
	n, err := bytes.NewReader(r.data).ReadAt(p, offset)
	r.hitEnd = r.hitEnd || err == io.EOF
	return n, err
}

func (r *endReader) explain(err error) *Error {
	var (
		inJPEG jpeg.UnsupportedError
		inPNG  png.UnsupportedError
		inTIFF tiff.UnsupportedError
	)
	switch {
	case errors.As(err, &inJPEG), errors.As(err, &inPNG), errors.As(err, &inTIFF), errors.Is(err, bmp.ErrUnsupported):
		return unsupported(err, "a picture of a kind that cannot be read yet: %v", err)
	case r.hitEnd:
		return fail("truncated", err, "the file is cut off: it ends before the picture does")
	}
	return fail("broken", err, "the picture is broken: %v", err)
}

func planPNG(data []byte, _ Size) (plan, error) {
	r := &endReader{data: data}
	config, err := png.DecodeConfig(r)
	if err != nil {
		return plan{}, r.explain(err)
	}
	size := Size{config.Width, config.Height}
	if err := checkSize(size); err != nil {
		return plan{}, err
	}
	// The header's bit depth and colour type are bytes 24 and 25, and byte 28
	// says whether the picture is interlaced.
	depth, interlaced := data[24], data[28] != 0
	perPixel := int64(4)
	if _, paletted := config.ColorModel.(color.Palette); paletted || config.ColorModel == color.GrayModel && !hasTransparency(data) {
		perPixel = 1
	}
	if depth == 16 {
		perPixel = 8
	}
	// Deflate makes at most 1032 bytes of one. What claims to be more is not
	// worth the memory for finding out.
	bits := int64(size.Width) * int64(size.Height) * int64(depth)
	if bits/8 > 1032*int64(len(data)) {
		return plan{}, fail("truncated", nil, "the file promises a picture of %s, but its %d bytes cannot hold it", size, len(data))
	}
	memory := perPixel * int64(size.Width) * int64(size.Height)
	if interlaced {
		memory *= 2
	}
	return planImage(data, memory, png.Decode), nil
}

// hasTransparency looks for a tRNS chunk before the pixels of a PNG file. It
// makes grey pictures come as four bytes a pixel.
func hasTransparency(data []byte) bool {
	for pos := int64(8); pos+8 <= int64(len(data)); {
		switch string(data[pos+4 : pos+8]) {
		case "tRNS":
			return true
		case "IDAT":
			return false
		}
		pos += 12 + int64(binary.BigEndian.Uint32(data[pos:]))
	}
	return false
}

// planGIF shows the first frame where it lies on the screen.
func planGIF(data []byte, _ Size) (plan, error) {
	r := &endReader{data: data}
	config, err := gif.DecodeConfig(r)
	if err != nil {
		return plan{}, r.explain(err)
	}
	screen := Size{config.Width, config.Height}
	if err := checkSize(screen); err != nil {
		return plan{}, err
	}
	return plan{int64(screen.Width) * int64(screen.Height), func() (source, error) {
		img, err := gif.Decode(r.again())
		if err != nil {
			return source{}, r.explain(err)
		}
		return sourceOf(img).on(screen, img.Bounds().Min), nil
	}}, nil
}

func planBMP(data []byte, _ Size) (plan, error) {
	r := &endReader{data: data}
	config, err := bmp.DecodeConfig(r)
	if err != nil {
		return plan{}, r.explain(err)
	}
	size := Size{config.Width, config.Height}
	if err := checkSize(size); err != nil {
		return plan{}, err
	}
	perPixel := int64(4)
	if _, paletted := config.ColorModel.(color.Palette); paletted {
		perPixel = 1
	}
	return planImage(data, perPixel*int64(size.Width)*int64(size.Height), bmp.Decode), nil
}
