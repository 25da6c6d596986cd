package picture

import (
	"encoding/binary"
	"image"

	"golang.org/x/image/webp"
)

// planWebP also shows the first frame of an animation, which x/image/webp
// does not know: the frame is wrapped up as a file of its own.
func planWebP(data []byte, _ Size) (plan, error) {
	r := &endReader{data: data}
	config, err := webp.DecodeConfig(r)
	if err != nil {
		return plan{}, r.explain(err)
	}
	canvas := Size{config.Width, config.Height}
	if err := checkSize(canvas); err != nil {
		return plan{}, err
	}
	// Lossy pictures are kept as YCbCr; lossless ones, and transparency, as
	// four bytes a pixel, for a moment twice.
	perPixel := int64(9)
	if string(data[12:16]) == "VP8 " {
		perPixel = 2
	}
	return plan{perPixel * int64(canvas.Width) * int64(canvas.Height), func() (source, error) {
		still, at := firstFrame(data, canvas)
		r := &endReader{data: still}
		img, err := webp.Decode(r)
		if err != nil {
			return source{}, r.explain(err)
		}
		return webpSource(img).on(canvas, at), nil
	}}, nil
}

func webpSource(img image.Image) source {
	src := sourceOf(img)
	switch img := img.(type) {
	case *image.YCbCr:
		src.row = yCbCrRows(img, webpRow)
	case *image.NYCbCrA:
		opaque := yCbCrRows(&img.YCbCr, webpRow)
		src.row = func(y int, rgb []byte) {
			opaque(y, rgb)
			for x, a := range img.A[y*img.AStride:][:img.Rect.Dx()] {
				for c := range 3 {
					rgb[3*x+c] = overWhite(rgb[3*x+c], a)
				}
			}
		}
	}
	return src
}

// firstFrame returns the first frame of an animation as a still picture, and
// where it goes. What is not an animation comes back as it is.
func firstFrame(data []byte, canvas Size) (still []byte, at image.Point) {
	frame := webpChunk(data, "ANMF")
	if len(frame) < 24 {
		return data, image.Point{}
	}
	at = image.Pt(2*int(uint24(frame)), 2*int(uint24(frame[3:])))
	size := Size{int(uint24(frame[6:])) + 1, int(uint24(frame[9:])) + 1}
	if at.X+size.Width > canvas.Width || at.Y+size.Height > canvas.Height {
		return data, image.Point{} // no valid frame: the decoder will say so
	}
	return wrapFrame(frame[6:12], frame[16:]), at
}

// webpChunk returns what the first chunk of a name holds, or nil.
func webpChunk(data []byte, name string) []byte {
	for pos := int64(12); pos+8 <= int64(len(data)); {
		size := int64(binary.LittleEndian.Uint32(data[pos+4:]))
		if string(data[pos:pos+4]) == name {
			return data[pos+8 : min(pos+8+size, int64(len(data)))]
		}
		pos += 8 + size + size&1
	}
	return nil
}

// wrapFrame makes a WebP file of a frame's size fields and its chunks.
func wrapFrame(size, chunks []byte) []byte {
	const alpha = 1 << 4
	header := []byte{0, 0, 0, 0}
	if string(chunks[:4]) == "ALPH" {
		header[0] = alpha
	}
	header = append(header, size...)
	file := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0A\x00\x00\x00"), header...)
	file = append(file, chunks...)
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	return file
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }
