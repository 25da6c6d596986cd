package picture

import (
	"golang.org/x/image/tiff"

	"shoebox/captioner/picture/ifd"
)

// TIFF tags.
const (
	tagWidth           = 0x0100
	tagHeight          = 0x0101
	tagBitsPerSample   = 0x0102
	tagCompression     = 0x0103
	tagSamplesPerPixel = 0x0115
	tagRowsPerStrip    = 0x0116
	tagPlanar          = 0x011C
	tagTileWidth       = 0x0142
	tagTileHeight      = 0x0143
	tagXMP             = 0x02BC
)

func planTIFF(data []byte, _ Size) (plan, error) {
	file, first, ok := ifd.Open(data)
	if !ok {
		return plan{}, fail("truncated", nil, "the file is cut off: it ends before the picture begins")
	}
	main := file.Directory(first)
	if main == nil {
		return plan{}, fail("truncated", nil, "the file is cut off: the directory of the picture is missing")
	}
	size := Size{int(main.First(tagWidth, 0)), int(main.First(tagHeight, 0))}
	if err := checkSize(size); err != nil {
		return plan{}, err
	}
	samples := int(main.First(tagSamplesPerPixel, 1))
	if samples > 1 && main.First(tagPlanar, 1) == 2 {
		return plan{}, unsupported(nil, "TIFF pictures with separate colour planes cannot be read yet")
	}
	return planImage(data, tiffMemory(main, size, samples, len(data)), tiff.Decode), nil
}

// tiffMemory is the picture and, beside it, one strip or tile. A compressed one
// may unpack to eight bytes a pixel, whatever it needs, into a buffer that
// doubles and is copied as it grows.
func tiffMemory(d *ifd.Directory, size Size, samples, fileSize int) int64 {
	perPixel := int64(1)
	if samples > 1 {
		perPixel = 4
	}
	if d.First(tagBitsPerSample, 1) == 16 {
		perPixel *= 2
	}
	memory := perPixel * int64(size.Width) * int64(size.Height)
	if d.First(tagCompression, 1) == 1 {
		return memory + int64(fileSize)
	}
	block := Size{size.Width, min(size.Height, int(d.First(tagRowsPerStrip, uint32(size.Height))))}
	if d.Has(tagTileWidth) {
		block = Size{int(d.First(tagTileWidth, 0)), int(d.First(tagTileHeight, 0))}
	}
	return memory + 20*int64(block.Width)*int64(block.Height)
}
