package picture

import (
	"bytes"
	"errors"
	"image"
	"strings"

	"github.com/bep/imagemeta"

	"shoebox/captioner/picture/heif"
)

// heifKind is for HEIC and AVIF files.
func heifKind(data []byte) kind {
	file := heif.Parse(data)
	name := "heic"
	if file.AVIF {
		name = "avif"
	}
	return kind{
		name:     name,
		plan:     func([]byte, Size) (plan, error) { return planHEIF(name, file) },
		metadata: func([]byte) embedded { return embeddedInHEIF(file) },
	}
}

func planHEIF(name string, file heif.File) (plan, error) {
	size := Size{file.Width, file.Height}
	switch {
	case file.Truncated:
		return plan{}, fail("truncated", nil, "the file is cut off: part of the picture lies beyond its end")
	case size == Size{}:
		return plan{}, unsupported(nil, "the %s file holds no still picture, or none of a kind that can be read yet", strings.ToUpper(name))
	}
	if err := checkSize(size); err != nil {
		return plan{}, err
	}
	return plan{file.Memory(), func() (source, error) {
		img, err := file.Decode()
		switch {
		case errors.Is(err, heif.ErrMemory):
			return source{}, fail("broken", err,
				"decoding takes more than the %d MB of memory that pictures of %s need", file.SandboxMemory()/1e6, size)
		case err != nil:
			return source{}, unsupported(err, "the picture is broken or of a kind that cannot be read yet: %v", err)
		}
		src := sourceOf(img)
		if planes, ok := img.(*image.YCbCr); ok {
			src.row = yCbCrRows(planes, colorRow(file.Color))
		}
		return src, nil
	}}, nil
}

// colorRow converts rows of planes as the file says they were made. Without a
// word from the file they are as in JPEG.
func colorRow(c heif.Color) func(y, cb, cr, rgb []byte) {
	var red, blue float64 // the parts of the luma
	switch c.Matrix {
	case 1:
		red, blue = 0.2126, 0.0722 // BT.709
	case 9, 10:
		red, blue = 0.2627, 0.0593 // BT.2020
	default:
		red, blue = 0.299, 0.114 // BT.601
		if c.FullRange {
			return jfifRow
		}
	}
	black, lumaScale, chromaScale := 0.0, 1.0, 1.0
	if !c.FullRange {
		black, lumaScale, chromaScale = 16, 255.0/219, 255.0/224
	}
	const one = 1 << 16
	fixed := func(f float64) int32 { return int32(f*one + 0.5) }
	green := 1 - red - blue
	luma := fixed(lumaScale)
	crRed, cbBlue := fixed(chromaScale*2*(1-red)), fixed(chromaScale*2*(1-blue))
	crGreen, cbGreen := fixed(chromaScale*2*(1-red)*red/green), fixed(chromaScale*2*(1-blue)*blue/green)
	half := int32(one/2) - int32(black)*luma
	return func(y, cb, cr, rgb []byte) {
		for i := range y {
			l := int32(y[i])*luma + half
			u, v := int32(cb[i])-128, int32(cr[i])-128
			rgb[3*i] = byte(min(max((l+crRed*v)>>16, 0), 255))
			rgb[3*i+1] = byte(min(max((l-cbGreen*u-crGreen*v)>>16, 0), 255))
			rgb[3*i+2] = byte(min(max((l+cbBlue*u)>>16, 0), 255))
		}
	}
}

// embeddedInHEIF leaves EXIF's orientation out: the format has its own, which
// the decoder of HEIC follows by itself.
func embeddedInHEIF(file heif.File) embedded {
	e := embedded{xmp: file.XMP, orientation: upright}
	if file.AVIF {
		e.orientation = orientation(file.Turn)
	}
	if file.EXIF != nil {
		e.tags = []block{{bytes.NewReader(file.EXIF), imagemeta.TIFF, mainDirectory}}
	}
	return e
}
