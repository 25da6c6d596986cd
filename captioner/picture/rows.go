package picture

import (
	"image"
	"image/color"
)

// sourceOf reads an image that was decoded at its full size.
func sourceOf(img image.Image) source {
	b := img.Bounds()
	return source{
		whole: Size{b.Dx(), b.Dy()},
		cols:  b.Dx(), rows: b.Dy(),
		width: float64(b.Dx()), height: float64(b.Dy()),
		row: rowsOf(img),
	}
}

// on puts a picture on a white canvas.
func (s source) on(canvas Size, at image.Point) source {
	if canvas == s.whole {
		return s
	}
	inner := s
	s.whole, s.cols, s.rows = canvas, canvas.Width, canvas.Height
	s.width, s.height = float64(canvas.Width), float64(canvas.Height)
	s.row = func(y int, rgb []byte) {
		for i := range rgb {
			rgb[i] = 255
		}
		if y -= at.Y; y >= 0 && y < inner.rows {
			inner.row(y, rgb[3*at.X:3*(at.X+inner.cols)])
		}
	}
	return s
}

// rowsOf returns the function that writes a row of an image as RGB, as Pillow
// converts each kind, with transparent parts over white.
func rowsOf(img image.Image) func(y int, rgb []byte) {
	n := img.Bounds().Dx()
	switch img := img.(type) {
	case *image.Gray:
		return func(y int, rgb []byte) { grayRow(img.Pix[y*img.Stride:][:n], 1, rgb) }
	case *image.Gray16:
		return func(y int, rgb []byte) { grayRow(img.Pix[y*img.Stride:][:2*n], 2, rgb) }
	case *image.RGBA:
		return func(y int, rgb []byte) { premultipliedRow(img.Pix[y*img.Stride:][:4*n], 1, rgb) }
	case *image.RGBA64:
		return func(y int, rgb []byte) { premultipliedRow(img.Pix[y*img.Stride:][:8*n], 2, rgb) }
	case *image.NRGBA:
		return func(y int, rgb []byte) { alphaRow(img.Pix[y*img.Stride:][:4*n], 1, rgb) }
	case *image.NRGBA64:
		return func(y int, rgb []byte) { alphaRow(img.Pix[y*img.Stride:][:8*n], 2, rgb) }
	case *image.CMYK:
		return func(y int, rgb []byte) { cmykRow(img.Pix[y*img.Stride:][:4*n], rgb) }
	case *image.Paletted:
		colors := flatten(img.Palette)
		return func(y int, rgb []byte) { palettedRow(img.Pix[y*img.Stride:][:n], &colors, rgb) }
	case *image.YCbCr:
		return yCbCrRows(img, jfifRow)
	}
	return func(y int, rgb []byte) {
		b := img.Bounds()
		for x := range n {
			c := color.NRGBAModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			alphaRow([]byte{c.R, c.G, c.B, c.A}, 1, rgb[3*x:3*x+3])
		}
	}
}

// The samples of a row are `size` bytes long, the high byte first; only that
// one is used, as Pillow does for colour. (For 16-bit grey Pillow clips
// everything brighter than 255/65535 to white, which helps nobody.)

func grayRow(pix []byte, size int, rgb []byte) {
	for i := 0; i+size <= len(pix); i += size {
		rgb[0], rgb[1], rgb[2] = pix[i], pix[i], pix[i]
		rgb = rgb[3:]
	}
}

func premultipliedRow(pix []byte, size int, rgb []byte) {
	for i := 0; i+4*size <= len(pix); i += 4 * size {
		white := 255 - int(pix[i+3*size])
		rgb[0] = byte(min(int(pix[i])+white, 255))
		rgb[1] = byte(min(int(pix[i+size])+white, 255))
		rgb[2] = byte(min(int(pix[i+2*size])+white, 255))
		rgb = rgb[3:]
	}
}

func alphaRow(pix []byte, size int, rgb []byte) {
	for i := 0; i+4*size <= len(pix); i += 4 * size {
		a := pix[i+3*size]
		rgb[0] = overWhite(pix[i], a)
		rgb[1] = overWhite(pix[i+size], a)
		rgb[2] = overWhite(pix[i+2*size], a)
		rgb = rgb[3:]
	}
}

func overWhite(c, alpha byte) byte {
	return divide255(int(c)*int(alpha) + 255*(255-int(alpha)))
}

// divide255 rounds v/255 for v up to 65025, as Pillow's MULDIV255.
func divide255(v int) byte {
	v += 128
	return byte((v + v>>8) >> 8)
}

func cmykRow(pix, rgb []byte) {
	for i := 0; i+4 <= len(pix); i += 4 {
		white := 255 - int(pix[i+3])
		for c := range 3 {
			rgb[c] = byte(max(white-int(divide255(int(pix[i+c])*white)), 0))
		}
		rgb = rgb[3:]
	}
}

// flatten puts a palette over white. Entries that do not exist are black.
func flatten(palette color.Palette) (colors [256][3]byte) {
	for i := range min(len(palette), len(colors)) {
		c := color.NRGBAModel.Convert(palette[i]).(color.NRGBA)
		alphaRow([]byte{c.R, c.G, c.B, c.A}, 1, colors[i][:])
	}
	return colors
}

func palettedRow(pix []byte, colors *[256][3]byte, rgb []byte) {
	for _, p := range pix {
		copy(rgb[:3], colors[p][:])
		rgb = rgb[3:]
	}
}
