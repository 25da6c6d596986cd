package picture

import (
	"math"
	"sync"
)

// source is a picture as its decoder left it, not yet upright: rows of RGB
// that the resampler reads once each, from the top.
type source struct {
	whole   Size // of the picture that the file holds, in pixels
	damaged bool
	// cols and rows are the samples there are to read.
	cols, rows int
	// width and height are how many samples the picture covers. A scaled
	// decode rounds its size up (3999/8 is 500 samples), but the last sample
	// then lies partly outside: resampling 500 columns where there are
	// 499.875 shifts the whole picture.
	width, height float64
	// row writes 3*cols bytes of the row y.
	row func(y int, rgb []byte)
	// free, if set, takes back the memory that row reads.
	free func()
}

// done ends the use of row.
func (s source) done() {
	if s.free != nil {
		s.free()
	}
}

// Pillow keeps filter weights as integers with this many bits after the
// point: 32 bits less 8 of the pixel and 2 for sums that overshoot.
const precision = 32 - 8 - 2

// window is the samples that one output pixel is made from.
type window struct {
	first   int
	weights []int32
}

// windows computes, for each of n output pixels, Pillow's triangle filter
// over `extent` samples of which `samples` exist.
func windows(samples int, extent float64, n int) []window {
	scale := extent / float64(n)
	support := max(scale, 1) // a triangle reaches one output pixel, or one sample, to each side
	all := make([]window, n)
	exact := make([]float64, 0, int(2*support)+3)
	weights := make([]int32, 0, n*cap(exact)) // of all windows
	for i := range all {
		center := (float64(i) + 0.5) * scale
		first := max(int(center-support+0.5), 0)
		end := min(int(center+support+0.5), samples)
		exact = exact[:0]
		sum := 0.0
		for x := first; x < end; x++ {
			w := max(1-math.Abs(float64(x)-center+0.5)/support, 0)
			exact = append(exact, w)
			sum += w
		}
		begin := len(weights)
		for _, w := range exact {
			weights = append(weights, int32(0.5+w/sum*(1<<precision)))
		}
		all[i] = window{first, weights[begin:]}
	}
	return all
}

// scratch is what resampling needs besides its result. It is kept between
// pictures because there are thousands of the same size.
type scratch struct {
	source []byte  // a row of the source, RGB
	across []byte  // that row resampled, RGB
	sums   []int32 // of the output pixels, before the last rounding
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// resample squashes a picture to a size. It is Pillow's resampling to the
// bit: integer weights, rows first, rounded to 8 bits in between.
func resample(src source, to Size) []byte {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	stride := 3 * to.Width
	s.source = grow(s.source, 3*src.cols)
	s.across = grow(s.across, stride)
	s.sums = grow(s.sums, stride*to.Height)
	for i := range s.sums {
		s.sums[i] = 1 << (precision - 1)
	}

	across := windows(src.cols, src.width, to.Width)
	down := windows(src.rows, src.height, to.Height)
	begin := 0 // the first output row that still takes source rows
	for y := range src.rows {
		for begin < len(down) && y >= down[begin].first+len(down[begin].weights) {
			begin++
		}
		if begin == len(down) {
			break
		}
		if y < down[begin].first {
			continue
		}
		src.row(y, s.source)
		resampleRow(s.source, across, s.across)
		for out := begin; out < len(down) && down[out].first <= y; out++ {
			addRow(s.sums[out*stride:(out+1)*stride], s.across, down[out].weights[y-down[out].first])
		}
	}

	pixels := make([]byte, len(s.sums))
	for i, sum := range s.sums {
		pixels[i] = clip(sum)
	}
	return pixels
}

func resampleRow(rgb []byte, across []window, out []byte) {
	for i, w := range across {
		r, g, b := int32(1<<(precision-1)), int32(1<<(precision-1)), int32(1<<(precision-1))
		in := rgb[3*w.first : 3*(w.first+len(w.weights))]
		for _, k := range w.weights {
			if len(in) < 3 { // never; it frees the loop of bounds checks
				break
			}
			r += int32(in[0]) * k
			g += int32(in[1]) * k
			b += int32(in[2]) * k
			in = in[3:]
		}
		out[3*i], out[3*i+1], out[3*i+2] = clip(r), clip(g), clip(b)
	}
}

func addRow(sums []int32, row []byte, weight int32) {
	row = row[:len(sums)]
	for i := range sums {
		sums[i] += int32(row[i]) * weight
	}
}

func clip(sum int32) byte { return byte(min(max(sum>>precision, 0), 255)) }
