package picture

import "image"

// yCbCrRows writes the rows of a picture with subsampled colour. The colour
// planes are enlarged as libjpeg does ("fancy upsampling"), so that a picture
// decoded at full size has the pixels that training saw.
func yCbCrRows(img *image.YCbCr, convert func(y, cb, cr, rgb []byte)) func(y int, rgb []byte) {
	n := img.Rect.Dx()
	across, down := subsampling(img.SubsampleRatio)
	if across == 1 && down == 1 {
		return func(y int, rgb []byte) {
			convert(img.Y[y*img.YStride:][:n], img.Cb[y*img.CStride:][:n], img.Cr[y*img.CStride:][:n], rgb)
		}
	}
	chroma := Size{(n + across - 1) / across, (img.Rect.Dy() + down - 1) / down}
	sums := make([]int, chroma.Width)
	cb, cr := make([]byte, chroma.Width*across), make([]byte, chroma.Width*across)
	return func(y int, rgb []byte) {
		for _, plane := range []struct{ from, to []byte }{{img.Cb, cb}, {img.Cr, cr}} {
			if across > 2 {
				repeat(plane.from[y/down*img.CStride:][:chroma.Width], across, plane.to)
				continue
			}
			near, far := y, y
			if down == 2 {
				near, far = y/2, min(max(y/2-1+y%2*2, 0), chroma.Height-1)
			}
			enlarge(plane.from[near*img.CStride:][:chroma.Width], plane.from[far*img.CStride:][:chroma.Width],
				down == 2, y%2 == 1, across == 2, sums, plane.to)
		}
		convert(img.Y[y*img.YStride:][:n], cb[:n], cr[:n], rgb)
	}
}

func subsampling(r image.YCbCrSubsampleRatio) (across, down int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

func repeat(row []byte, times int, out []byte) {
	for i, v := range row {
		for j := range times {
			out[times*i+j] = v
		}
	}
}

// enlarge makes a row of colour samples from the row it lies in and the next
// nearest one, each new sample a quarter of the way between two old ones.
// libjpeg alternates the rounding, so that it does not drift to one side.
func enlarge(near, far []byte, down, lower, across bool, sums []int, out []byte) {
	weight := 1
	for i := range near {
		sums[i] = int(near[i])
		if down {
			sums[i] = 3*int(near[i]) + int(far[i])
		}
	}
	if down {
		weight = 4
	}
	if !across {
		bias := 1
		if lower {
			bias = 2
		}
		for i, s := range sums {
			out[i] = byte((s + bias) / weight)
		}
		return
	}
	left, right := 1, 2 // what is added before dividing by 4, or
	if down {
		left, right = 8, 7 // by 16
	}
	for i, s := range sums {
		before, after := sums[max(i-1, 0)], sums[min(i+1, len(sums)-1)]
		out[2*i] = byte((3*s + before + left) / (4 * weight))
		out[2*i+1] = byte((3*s + after + right) / (4 * weight))
	}
}

// jfifRow converts a row of a JPEG file, with libjpeg's fixed-point factors.
func jfifRow(y, cb, cr, rgb []byte) {
	cb, cr, rgb = cb[:len(y)], cr[:len(y)], rgb[:3*len(y)]
	for i := range y {
		luma := int32(y[i])
		blue, red := int32(cb[i])-128, int32(cr[i])-128
		o := rgb[3*i : 3*i+3 : 3*i+3]
		o[0] = byte(min(max(luma+(91881*red+1<<15)>>16, 0), 255))
		o[1] = byte(min(max(luma+(-22554*blue-46802*red+1<<15)>>16, 0), 255))
		o[2] = byte(min(max(luma+(116130*blue+1<<15)>>16, 0), 255))
	}
}

// webpRow converts a row of a lossy WebP file, whose samples go from 16 to
// 235, with libwebp's fixed-point factors.
func webpRow(y, cb, cr, rgb []byte) {
	cb, cr, rgb = cb[:len(y)], cr[:len(y)], rgb[:3*len(y)]
	for i := range y {
		luma := int32(y[i]) * 19077 >> 8
		u, v := int32(cb[i]), int32(cr[i])
		o := rgb[3*i : 3*i+3 : 3*i+3]
		o[0] = byte(min(max((luma+v*26149>>8-14234)>>6, 0), 255))
		o[1] = byte(min(max((luma-u*6419>>8-v*13320>>8+8708)>>6, 0), 255))
		o[2] = byte(min(max((luma+u*33050>>8-17685)>>6, 0), 255))
	}
}
