package picture

// Rendition is a picture in some size: RGB, row by row from the top left.
type Rendition struct {
	Pixels []byte // nil: there is none
	Size   Size
}

// mostRendition is how many pixels a Rendition may have, and SmallMemory what
// DecodeBoth takes for it beyond EstimateMemory, with a JPEG made of it.
const (
	mostRendition = 256 << 10
	SmallMemory   = mostRendition * (3*(4+1+1) + 3 + 1)
)

// DecodeBoth is Decode and makes a second, small picture of the same samples, for
// people. small says how large it is to be, by the size of the upright picture;
// the zero Size stands for none.
func DecodeBoth(data []byte, to Size, small func(whole Size) Size) (p Picture, err error) {
	return decode(data, to, func(src source, o orientation, whole Size) Rendition {
		size := small(whole)
		if size.Width < 1 || size.Height < 1 || size.Width*size.Height > mostRendition {
			return Rendition{}
		}
		return Rendition{o.turned(src, size, shrink), size}
	})
}

// mostShrinking is from how many samples a pixel shrink makes something that
// looks good.
const mostShrinking = 4.5

// shrink makes a picture smaller for people, in a fifth of the time of resample:
// each pixel is the mean of four samples. Those of a scaled decode are means
// themselves.
func shrink(src source, to Size) []byte {
	if max(src.width/float64(to.Width), src.height/float64(to.Height)) > mostShrinking {
		return resample(src, to)
	}
	left, right := make([]int, to.Width), make([]int, to.Width)
	for x := range to.Width {
		left[x], right[x] = 3*((4*x+1)*src.cols/(4*to.Width)), 3*((4*x+3)*src.cols/(4*to.Width))
	}
	pixels := make([]byte, 3*to.Width*to.Height)
	upper, lower := make([]byte, 3*src.cols), make([]byte, 3*src.cols)
	for y := range to.Height {
		src.row((4*y+1)*src.rows/(4*to.Height), upper)
		src.row((4*y+3)*src.rows/(4*to.Height), lower)
		out := pixels[3*y*to.Width:][:3*to.Width]
		for x := range to.Width {
			a, b := upper[left[x]:][:3], upper[right[x]:][:3]
			c, d := lower[left[x]:][:3], lower[right[x]:][:3]
			for i := range 3 {
				out[3*x+i] = byte((int(a[i]) + int(b[i]) + int(c[i]) + int(d[i]) + 2) / 4)
			}
		}
	}
	return pixels
}
