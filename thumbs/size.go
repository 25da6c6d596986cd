package thumbs

import "shoebox/captioner/picture"

// Side is the longer side of a thumbnail in pixels, and its name among the small
// pictures of a photo. That of a panorama is longer, so that it has leastSide.
const (
	Side      = 400
	leastSide = 240
	panorama  = 960
)

// SizeOf is the size of the thumbnail of a picture. Nothing is enlarged.
func SizeOf(whole picture.Size) picture.Size {
	long, short := float64(max(whole.Width, whole.Height)), float64(min(whole.Width, whole.Height))
	return Scaled(whole, max(Side/long, min(leastSide/short, panorama/long)))
}

// Scaled is a size made smaller, by a factor below 1.
func Scaled(whole picture.Size, by float64) picture.Size {
	by = min(by, 1)
	side := func(pixels int) int { return max(1, int(float64(pixels)*by+0.5)) }
	return picture.Size{Width: side(whole.Width), Height: side(whole.Height)}
}

// worthKeeping is how many pixels a picture has of which making a thumbnail takes
// long enough that somebody who looks at a page of them would notice.
const worthKeeping = 1 << 20

// SizeBeside is the size of the thumbnail that is made while a picture is decoded
// for something else; zero: none, it is made in no time when it is wanted.
func SizeBeside(whole picture.Size) picture.Size {
	if whole.Width*whole.Height < worthKeeping {
		return picture.Size{}
	}
	return SizeOf(whole)
}
