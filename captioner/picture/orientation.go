package picture

// orientation is EXIF's: where the top left corner of the picture went when
// it was stored. 0 and everything above 8 mean that it was stored upright.
type orientation int

// upright is the orientation of a picture that was stored as it is to be seen.
const upright orientation = 1

func (o orientation) swapsSides() bool { return o >= 5 && o <= 8 }

// upright resamples a picture and turns the small result, which is cheaper
// than turning the large picture and differs by the rounding between the two
// passes at most.
func (o orientation) upright(src source, to Size) []byte { return o.turned(src, to, resample) }

func (o orientation) turned(src source, to Size, resize func(source, Size) []byte) []byte {
	stored := to
	if o.swapsSides() {
		stored = Size{to.Height, to.Width}
	}
	pixels := resize(src, stored)
	if o < 2 || o > 8 {
		return pixels
	}
	turned := make([]byte, len(pixels))
	for y := range to.Height {
		for x := range to.Width {
			sx, sy := o.storedAt(x, y, stored)
			copy(turned[3*(y*to.Width+x):][:3], pixels[3*(sy*stored.Width+sx):][:3])
		}
	}
	return turned
}

// storedAt says where a pixel of the upright picture is in the stored one.
func (o orientation) storedAt(x, y int, stored Size) (sx, sy int) {
	right, bottom := stored.Width-1, stored.Height-1
	switch o {
	case 2:
		return right - x, y
	case 3:
		return right - x, bottom - y
	case 4:
		return x, bottom - y
	case 5:
		return y, x
	case 6:
		return y, bottom - x
	case 7:
		return right - y, bottom - x
	case 8:
		return right - y, x
	}
	return x, y
}
