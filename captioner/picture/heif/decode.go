package heif

import (
	"bytes"
	_ "embed"
	"image"
)

//go:embed wasm/heic.wasm.gz
var heicProgram []byte

//go:embed wasm/avif.wasm.gz
var avifProgram []byte

// The programs are kept: they do not change.
var (
	heic = program{packed: heicProgram}
	avif = program{packed: avifProgram}
)

// What the decoders take, from measurements of real files with a margin: see
// TestTheMemoryOfADecoderIsEnough.
const (
	baseMemory = 24 << 20 // bytes, for small pictures
	margin     = 1.1
)

// SandboxMemory is how many bytes the decoder of a file will be given.
func (f File) SandboxMemory() int64 {
	pixels := float64(f.Width) * float64(f.Height)
	deep := float64((f.Depth + 7) / 8)
	// The picture as decoded, once more while it is turned or put together
	// from tiles, as the codec keeps it, as 8 bits, and the result.
	perPixel := f.Samples * (3*deep + 2)
	if f.AVIF {
		// libaom keeps frames and what it found out about them; the result
		// is RGBA, twice.
		perPixel = deep * (9 + 3*f.Samples + 8)
	}
	return baseMemory + 2*int64(len(f.data)) + int64(margin*perPixel*pixels)
}

// Memory is how many bytes Decode takes in all.
func (f File) Memory() int64 {
	perPixel := f.Samples
	if f.AVIF {
		perPixel = 4
	}
	return f.SandboxMemory() + int64(perPixel*float64(f.Width)*float64(f.Height))
}

// Decode decodes the picture in a sandbox of its own. Of HEIC the result is
// upright and opaque: libheif was built without transparency. Of AVIF it is to
// be turned by Turn.
func (f File) Decode() (image.Image, error) {
	img, _, err := f.decode()
	return img, err
}

// decode also says how many bytes the sandbox has taken.
func (f File) decode() (img image.Image, used int64, err error) {
	p := &heic
	if f.AVIF {
		p = &avif
	}
	s, err := p.open(f.SandboxMemory())
	if err != nil {
		return nil, 0, err
	}
	defer s.close()
	if f.AVIF {
		img, err = s.decodeAVIF(f)
	} else {
		img, err = s.decodeHEIC(f)
	}
	return img, int64(s.module.Memory().Size()), err
}

// put gives a file to a program, and room for n numbers that it answers.
func (s *sandbox) put(data []byte, n int) (at, answers uint64) {
	at = s.allocate(len(data))
	copy(s.bytes(at, len(data)), data)
	return at, s.allocate(4 * n)
}

// libheif's numbers.
const (
	colorYCbCr      = 0
	colorRGB        = 1
	colorMonochrome = 2
)

func (s *sandbox) decodeHEIC(f File) (image.Image, error) {
	data, answers := s.put(f.data, 5)
	decode := func(headerOnly uint64, out uint64) {
		ok := s.call("decode", data, uint64(len(f.data)), headerOnly,
			answers, answers+4, answers+8, answers+12, answers+16, out)
		if s.err == nil && ok == 0 {
			s.err = errDecode
		}
	}
	decode(1, 0)
	header := s.numbers(answers, 5)
	width, height := int(header[0]), int(header[1])
	// The sandbox was measured for the size in the file's properties.
	if s.err == nil && int64(width)*int64(height) > int64(f.Width)*int64(f.Height) {
		return nil, errDecode
	}
	rect := image.Rect(0, 0, width, height)
	grey, rgba := stride(width, 1), stride(width, 4)
	var img image.Image
	switch color, chroma := header[2], header[3]; {
	case s.err != nil:
	case color == colorMonochrome:
		img = &image.Gray{Pix: s.decoded(decode, grey*height), Stride: grey, Rect: rect}
	case color == colorRGB && header[4] == 1: // colour times opacity
		img = &image.RGBA{Pix: s.decoded(decode, rgba*height), Stride: rgba, Rect: rect}
	case color == colorRGB:
		img = &image.NRGBA{Pix: s.decoded(decode, rgba*height), Stride: rgba, Rect: rect}
	case color == colorYCbCr && chroma >= 1 && chroma <= 3:
		img = s.decodedPlanes(decode, rect, int(chroma))
	default:
		return nil, errDecode
	}
	if s.err != nil {
		return nil, s.err
	}
	return img, nil
}

// stride is how far apart libheif puts the rows of a plane: it makes them even
// and at least 64 samples long, and lets them begin at multiples of 16 bytes.
func stride(width, sampleSize int) int {
	samples := max(width+width&1, 64)
	return (samples*sampleSize + 15) &^ 15
}

// decoded decodes into memory inside and copies it out.
func (s *sandbox) decoded(decode func(headerOnly, out uint64), size int) []byte {
	out := s.allocate(size)
	decode(0, out)
	return append([]byte(nil), s.bytes(out, size)...)
}

func (s *sandbox) decodedPlanes(decode func(headerOnly, out uint64), rect image.Rectangle, chroma int) *image.YCbCr {
	ratio := []image.YCbCrSubsampleRatio{
		1: image.YCbCrSubsampleRatio420, 2: image.YCbCrSubsampleRatio422, 3: image.YCbCrSubsampleRatio444,
	}[chroma]
	width, height := rect.Dx(), rect.Dy()
	if chroma < 3 {
		width = (width + 1) / 2
	}
	if chroma < 2 {
		height = (height + 1) / 2
	}
	yStride, cStride := stride(rect.Dx(), 1), stride(width, 1)
	luma, color := yStride*rect.Dy(), cStride*height
	planes := s.decoded(decode, luma+2*color)
	if s.err != nil {
		return nil
	}
	return &image.YCbCr{
		Y: planes[:luma], Cb: planes[luma : luma+color], Cr: planes[luma+color:],
		YStride: yStride, CStride: cStride, SubsampleRatio: ratio, Rect: rect,
	}
}

func (s *sandbox) decodeAVIF(f File) (image.Image, error) {
	data, answers := s.put(f.data, 4)
	decode := func(headerOnly, duration, out uint64) {
		ok := s.call("decode", data, uint64(len(f.data)), headerOnly, 0,
			answers, answers+4, answers+8, answers+12, duration, out)
		if s.err == nil && ok == 0 {
			s.err = errDecode
		}
	}
	decode(1, 0, 0)
	header := s.numbers(answers, 4)
	width, height, sampleSize := int(header[0]), int(header[1]), 1
	if header[2] > 8 {
		sampleSize = 2
	}
	if s.err == nil && (width != f.Width || height != f.Height) {
		return nil, errDecode
	}
	size := 4 * width * height * sampleSize
	duration := s.allocate(8)
	out := s.allocate(size)
	// A broken picture is no error to this decoder: it leaves the result and
	// the duration alone.
	untouched := bytes.Repeat([]byte{0xFF}, 8)
	copy(s.bytes(duration, 8), untouched)
	decode(0, duration, out)
	pixels := s.bytes(out, size)
	if s.err != nil {
		return nil, s.err
	}
	if bytes.Equal(s.bytes(duration, 8), untouched) {
		return nil, errDecode
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range img.Pix { // of two bytes, the second is the high one
		img.Pix[i] = pixels[sampleSize*i+sampleSize-1]
	}
	return img, nil
}
