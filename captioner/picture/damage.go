package picture

import (
	"bytes"
	"image"
	"slices"
)

// How much of a JPEG file is there
//
// Nothing in a JPEG file says how long it should be, and decoders fill what
// they did not get. We make jpegn leave it zero instead (see neverACode). In
// a colour picture that is unmistakable: Y = Cb = Cr = 0 is not a colour that
// any RGB pixel has. In others zero is black, or may be, and a second decode
// decides; that costs time only for those.
//
// Missing rows are left out, as if the picture had been cropped there: the
// caption is then about what is there. Painted grey, or smeared from the last
// good row, they would become part of what it describes.

// missingRows says which rows of blocks were not decoded completely. It is
// nil when all were.
func (f *jpegFile) missingRows(img image.Image, data []byte, denominator int) ([]bool, error) {
	missing := make([]bool, (f.size.Height+f.blockHeight()-1)/f.blockHeight())
	side := 8 / denominator // of a block, in samples
	switch img := img.(type) {
	case *image.YCbCr:
		across, down := subsampling(img.SubsampleRatio)
		chroma := Size{(img.Rect.Dx() + across - 1) / across, (img.Rect.Dy() + down - 1) / down}
		for row := range missing {
			missing[row] = hasZeroBlock(chroma, row*side, side, img.CStride, img.Cb, img.Cr)
		}
	case *image.Gray:
		for row := range missing {
			missing[row] = hasZeroBlock(Size{img.Rect.Dx(), img.Rect.Dy()}, row*side, side, img.Stride, img.Pix)
		}
		if slices.Contains(missing, true) { // black, or not there?
			return f.unreachedRows(data)
		}
	default:
		return f.unreachedRows(data)
	}
	if !slices.Contains(missing, true) {
		return nil, nil
	}
	return missing, nil
}

// hasZeroBlock looks for a block that is zero in all planes, in the row of
// blocks that begins at the row top.
func hasZeroBlock(size Size, top, side, stride int, planes ...[]byte) bool {
	bottom := min(top+side, size.Height)
	for left := 0; left < size.Width; left += side {
		if zeroBlock(left, min(left+side, size.Width), top, bottom, stride, planes) {
			return true
		}
	}
	return false
}

func zeroBlock(left, right, top, bottom, stride int, planes [][]byte) bool {
	for _, plane := range planes {
		for y := top; y < bottom; y++ {
			for _, v := range plane[y*stride+left : y*stride+right] {
				if v != 0 {
					return false
				}
			}
		}
	}
	return true
}

// unreachedRows decodes the file again with every quantizer set to zero:
// what is reached becomes middle grey, the rest does not.
func (f *jpegFile) unreachedRows(data []byte) ([]bool, error) {
	flat := bytes.Clone(data)
	for _, q := range f.quantizers {
		if q.end <= len(flat) {
			zeroQuantizers(flat[q.start:q.end])
		}
	}
	img, err := f.decode(flat, 8)
	if err != nil {
		return nil, err
	}
	missing := make([]bool, (f.size.Height+f.blockHeight()-1)/f.blockHeight())
	row := rowsOf(img)
	rgb := make([]byte, 3*img.Bounds().Dx())
	for y := range img.Bounds().Dy() {
		row(y, rgb)
		if slices.ContainsFunc(rgb, func(v byte) bool { return v != 128 }) {
			missing[y*8/f.blockHeight()] = true
		}
	}
	if !slices.Contains(missing, true) {
		return nil, nil
	}
	return missing, nil
}

// zeroQuantizers clears the values of a DQT segment and keeps its headers.
func zeroQuantizers(segment []byte) {
	for len(segment) > 0 {
		size := 64
		if segment[0]>>4 != 0 {
			size = 128
		}
		n := min(1+size, len(segment))
		clear(segment[1:n])
		segment = segment[n:]
	}
}

// without leaves the missing rows of blocks out of a picture. It refuses when
// too few are left.
func (s source) without(missing []bool, blockHeight int) (source, error) {
	if missing == nil {
		return s, nil
	}
	var kept []int
	height := 0.0
	for block, gone := range missing {
		top, bottom := block*blockHeight, min((block+1)*blockHeight, s.rows)
		if gone {
			continue
		}
		for y := top; y < bottom; y++ {
			kept = append(kept, y)
		}
		height += min(float64(bottom), s.height) - float64(top)
	}
	if share := height / s.height; share < enoughOfAPicture {
		return source{}, fail("truncated", nil,
			"the file is cut off or overwritten: only %d %% of the picture is there", int(100*share))
	}
	whole := s.row
	s.rows, s.height, s.damaged = len(kept), height, true
	s.row = func(y int, rgb []byte) { whole(kept[y], rgb) }
	return s, nil
}

// lastUsefulByte is for files of several scans. It returns where the last
// scan that can be used ends. A file that was cut off is enough if it shows
// every component everywhere, and the brightness in enough detail for the
// model, or in as much as the whole file would have had.
func (f *jpegFile) lastUsefulByte(to Size) (int, error) {
	shown := make([]bool, len(f.components))
	detail, end := -1, 0 // detail is the last coefficient of the brightness
	for _, scan := range f.scans {
		if !scan.properlyClosed {
			break
		}
		end = scan.data.end
		for _, c := range scan.components {
			shown[c] = shown[c] || scan.first == 0 && !scan.refines
			if c == 0 && scan.first <= detail+1 {
				detail = max(detail, scan.last)
			}
		}
	}
	switch {
	case slices.Contains(shown, false) && f.ended:
		return 0, fail("broken", nil, "the JPEG file is broken: it lacks some of its components")
	case slices.Contains(shown, false):
		return 0, fail("truncated", nil,
			"the file is cut off: not even a coarse version of the picture is there")
	}
	eighths := frequencies(detail)
	there := Size{(f.size.Width*eighths + 7) / 8, (f.size.Height*eighths + 7) / 8}
	side, thereSide := min(f.size.Width, f.size.Height), min(there.Width, there.Height)
	enough := enoughOfAPicture * float64(min(side, max(to.Width, to.Height)))
	if !f.ended && float64(thereSide) < enough {
		return 0, fail("truncated", nil, "the file is cut off: only a coarse version of %s is there", there)
	}
	return end, nil
}

// frequencies returns how many of the 8 frequencies along each side of a block
// are known when its coefficients are, in zigzag order, up to one.
func frequencies(coefficient int) int {
	n := 1
	for n < 8 && (n+1)*(n+2)/2-1 <= coefficient {
		n++
	}
	return n
}
