package picture

import (
	"encoding/binary"
	"slices"

	"golang.org/x/image/tiff"
)

// TIFF tags and the values that matter here.
const (
	tagWidth           = 0x0100
	tagHeight          = 0x0101
	tagBitsPerSample   = 0x0102
	tagCompression     = 0x0103
	tagPhotometric     = 0x0106
	tagMake            = 0x010F
	tagSamplesPerPixel = 0x0115
	tagRowsPerStrip    = 0x0116
	tagPlanar          = 0x011C
	tagTileWidth       = 0x0142
	tagTileHeight      = 0x0143
	tagSubIFDs         = 0x014A
	tagDNGVersion      = 0xC612

	photometricCFA       = 32803 // a sensor's mosaic
	photometricLinearRaw = 34892
)

// rawCompressions are those that only cameras' raw files use.
var rawCompressions = []uint32{32767, 34713, 34892, 65535}

// tiffFile is the little we read of a TIFF file ourselves.
type tiffFile struct {
	data  []byte
	order binary.ByteOrder
}

// directory holds the numbers of a TIFF directory by tag.
type directory map[uint16][]uint32

// directoryAt reads the directory at an offset; nil where there is none. Tags
// with many values keep the first 16.
func (t tiffFile) directoryAt(offset uint32) directory {
	at := int64(offset)
	if at+2 > int64(len(t.data)) {
		return nil
	}
	d := directory{}
	for n := t.order.Uint16(t.data[at:]); n > 0; n-- {
		entry := at + 2
		if at += 12; entry+12 > int64(len(t.data)) {
			break
		}
		d[t.order.Uint16(t.data[entry:])] = t.values(t.data[entry : entry+12])
	}
	return d
}

func (t tiffFile) values(entry []byte) []uint32 {
	size := map[uint16]int64{1: 1, 2: 1, 3: 2, 4: 4, 13: 4}[t.order.Uint16(entry[2:])]
	count := min(int64(t.order.Uint32(entry[4:])), 16)
	bytes := entry[8:12]
	if size*int64(t.order.Uint32(entry[4:])) > 4 {
		offset := int64(t.order.Uint32(entry[8:]))
		if offset+size*count > int64(len(t.data)) {
			return nil
		}
		bytes = t.data[offset:]
	}
	values := make([]uint32, 0, count)
	for i := range count {
		switch size {
		case 1:
			values = append(values, uint32(bytes[i]))
		case 2:
			values = append(values, uint32(t.order.Uint16(bytes[2*i:])))
		case 4:
			values = append(values, t.order.Uint32(bytes[4*i:]))
		}
	}
	return values
}

// first returns a tag's first value, or the default.
func (d directory) first(tag uint16, otherwise uint32) uint32 {
	if len(d[tag]) == 0 {
		return otherwise
	}
	return d[tag][0]
}

// rawFormat names the camera's raw format that a TIFF file really is, "" for
// a plain TIFF. The first directory of a raw file often holds a small preview
// that would decode well, and be the wrong picture.
func (t tiffFile) rawFormat(main directory) string {
	if len(t.data) >= 10 && string(t.data[8:10]) == "CR" {
		return "Canon RAW (CR2)"
	}
	if main[tagDNGVersion] != nil {
		return "DNG"
	}
	directories := []directory{main}
	for _, offset := range main[tagSubIFDs] {
		directories = append(directories, t.directoryAt(offset))
	}
	if !slices.ContainsFunc(directories, directory.isRaw) {
		return ""
	}
	maker := make([]byte, 0, 16)
	for _, c := range main[tagMake] {
		maker = append(maker, byte(c))
	}
	for prefix, name := range map[string]string{
		"NIKON": "Nikon RAW (NEF)", "SONY": "Sony RAW (ARW)", "PENTAX": "Pentax RAW (PEF)", "RICOH": "Pentax RAW (PEF)",
	} {
		if len(maker) >= len(prefix) && string(maker[:len(prefix)]) == prefix {
			return name
		}
	}
	return "RAW"
}

func (d directory) isRaw() bool {
	photometric := d.first(tagPhotometric, 0)
	return photometric == photometricCFA || photometric == photometricLinearRaw ||
		slices.Contains(rawCompressions, d.first(tagCompression, 1))
}

func planTIFF(data []byte, _ Size) (plan, error) {
	t := tiffFile{data, binary.LittleEndian}
	if data[0] == 'M' {
		t.order = binary.BigEndian
	}
	if len(data) < 8 {
		return plan{}, fail("truncated", nil, "the file is cut off: it ends before the picture begins")
	}
	main := t.directoryAt(t.order.Uint32(data[4:]))
	if main == nil {
		return plan{}, fail("truncated", nil, "the file is cut off: the directory of the picture is missing")
	}
	if name := t.rawFormat(main); name != "" {
		return plan{}, unsupported(nil, "%s pictures cannot be read yet", name)
	}
	size := Size{int(main.first(tagWidth, 0)), int(main.first(tagHeight, 0))}
	if err := checkSize(size); err != nil {
		return plan{}, err
	}
	samples := int(main.first(tagSamplesPerPixel, 1))
	if samples > 1 && main.first(tagPlanar, 1) == 2 {
		return plan{}, unsupported(nil, "TIFF pictures with separate colour planes cannot be read yet")
	}
	return planImage(data, tiffMemory(main, size, samples, len(data)), tiff.Decode), nil
}

// tiffMemory is the picture and, beside it, one strip or tile. A compressed one
// may unpack to eight bytes a pixel, whatever it needs, into a buffer that
// doubles and is copied as it grows.
func tiffMemory(d directory, size Size, samples, fileSize int) int64 {
	perPixel := int64(1)
	if samples > 1 {
		perPixel = 4
	}
	if d.first(tagBitsPerSample, 1) == 16 {
		perPixel *= 2
	}
	memory := perPixel * int64(size.Width) * int64(size.Height)
	if d.first(tagCompression, 1) == 1 {
		return memory + int64(fileSize)
	}
	block := Size{size.Width, min(size.Height, int(d.first(tagRowsPerStrip, uint32(size.Height))))}
	if d[tagTileWidth] != nil {
		block = Size{int(d.first(tagTileWidth, 0)), int(d.first(tagTileHeight, 0))}
	}
	return memory + 20*int64(block.Width)*int64(block.Height)
}
