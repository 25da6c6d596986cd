// Package heif decodes HEIC and AVIF pictures. Their structure is read here;
// the pixels come from libheif and libavif, compiled to WebAssembly, in a
// sandbox of a size that is fixed before: hostile bytes can neither reach
// outside of it nor make it grow, and what it holds is freed with it.
//
// It never loads a library of the system and never writes anything.
package heif

import (
	"encoding/binary"
	"slices"

	"shoebox/captioner/picture/isobmff"
)

// File is what a HEIC or AVIF file says about its picture.
type File struct {
	AVIF bool
	// Width and Height are as stored, before the picture is turned.
	Width, Height int
	// Depth is bits a sample, Samples how many of them there are to a pixel
	// in all planes: 1.5 with the usual subsampling, 3 without.
	Depth   int
	Samples float64
	// Turn is EXIF's orientation that the file's own properties come to. The
	// HEIC decoder has followed it already, the AVIF decoder has not. EXIF's
	// orientation does not count in these formats.
	Turn int
	// Color is what the samples mean.
	Color Color
	// EXIF and XMP are what was put into the file; nil: nothing.
	EXIF, XMP []byte
	// Truncated says that data of the pictures lies beyond the end of the file.
	Truncated bool

	data []byte
}

// Color says how red, green and blue become samples (ISO/IEC 23091-2).
type Color struct {
	Matrix    int  // of the coefficients; 2: the file does not say
	FullRange bool // samples use all values, as in JPEG
}

// Is reports whether a file is of this family, by the brands it names.
func Is(data []byte) bool { return isAVIF(data) || hasBrand(data, heicBrands) }

var heicBrands = []string{"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "mif2", "msf1"}

func isAVIF(data []byte) bool { return hasBrand(data, []string{"avif", "avis"}) }

// hasBrand looks at the brands in the first box. Videos are of the same
// family, with others.
func hasBrand(data []byte, names []string) bool {
	if len(data) < 12 || string(data[4:8]) != "ftyp" {
		return false
	}
	const most = 512 // bytes; real files have up to 60
	r := isobmff.Reader{Data: data[8:min(uint32(len(data)), max(binary.BigEndian.Uint32(data), 12), most)]}
	for i := 0; !r.Short; i++ {
		brand := r.Bytes(4)
		if i != 1 && slices.Contains(names, string(brand)) { // the second is a version
			return true
		}
	}
	return false
}

// Parse reads the structure of a file. One whose structure makes no sense has
// a size of zero.
func Parse(data []byte) File {
	f := File{AVIF: isAVIF(data), Depth: 8, Samples: 1.5, Color: Color{2, true}, Turn: 1, data: data}
	meta := isobmff.Find(data, "meta")
	if len(meta) < 4 {
		return f
	}
	boxes := meta[4:] // behind its version
	items := readItems(data, boxes)
	f.Truncated = items.truncated
	f.EXIF, f.XMP = items.exif(), items.xmp
	f.readProperties(isobmff.Find(boxes, "iprp"), items.primary)
	return f
}

// maxProperties is how many can be named: their numbers have 15 bits.
const maxProperties = 1<<15 - 1

// readProperties reads those of the primary picture. What the decoder must
// have memory for, depth and subsampling, is the most that any picture in the
// file has, as the primary one may be put together from tiles.
func (f *File) readProperties(properties []byte, primary uint32) {
	var all []isobmff.Box
	for box := range isobmff.Boxes(isobmff.Find(properties, "ipco")) {
		if all = append(all, box); len(all) > maxProperties {
			break
		}
		f.readCoding(box)
	}
	f.guessColor(all)
	for _, index := range associations(isobmff.Find(properties, "ipma"), primary) {
		if index < 1 || index > len(all) {
			continue
		}
		r := isobmff.Reader{Data: all[index-1].Data}
		switch all[index-1].Type {
		case "ispe":
			r.FullBox()
			f.Width, f.Height = int(r.Uint(4)), int(r.Uint(4))
		case "irot":
			f.Turn = rotated(f.Turn, int(r.Uint(1)&3))
		case "imir":
			f.Turn = mirrored(f.Turn, int(r.Uint(1)&1))
		case "colr":
			f.readColor(r)
		}
	}
}

// guessColor is for pictures whose own properties do not name their colours:
// what the first codec says counts, else what is said of some picture.
func (f *File) guessColor(all []isobmff.Box) {
	for _, box := range slices.Backward(all) {
		if box.Type == "colr" {
			f.readColor(isobmff.Reader{Data: box.Data})
		}
	}
	for _, box := range all {
		if box.Type == "hvcC" {
			if color, ok := hevcColor(box.Data); ok {
				f.Color = color
			}
			return
		}
	}
}

// readCoding reads the configuration of a codec.
func (f *File) readCoding(box isobmff.Box) {
	b := box.Data
	switch {
	case box.Type == "hvcC" && len(b) > 18:
		f.Depth = max(f.Depth, 8+int(b[17]&7))
		f.Samples = max(f.Samples, []float64{1, 1.5, 2, 3}[b[16]&3])
	case box.Type == "av1C" && len(b) > 2:
		if b[2]&0x40 != 0 {
			f.Depth = max(f.Depth, 10+int(b[2]>>5&1)*2)
		}
		switch b[2] >> 2 & 3 { // subsampled across and down
		case 0:
			f.Samples = 3
		case 2:
			f.Samples = max(f.Samples, 2)
		}
	}
}

func (f *File) readColor(r isobmff.Reader) {
	if string(r.Bytes(4)) != "nclx" {
		return
	}
	r.Uint(4) // primaries and transfer: profiles are ignored everywhere
	if matrix := int(r.Uint(2)); !r.Short {
		f.Color = Color{matrix, r.Uint(1)>>7 == 1}
	}
}

// associations lists the properties of an item, in the order in which they
// apply.
func associations(box []byte, item uint32) (indices []int) {
	r := isobmff.Reader{Data: box}
	version, flags := r.FullBox()
	for n := r.Uint(4); n > 0 && !r.Short; n-- {
		id := uint32(r.Uint(2 + 2*int(min(version, 1))))
		for count := r.Uint(1); count > 0 && !r.Short; count-- {
			index := int(r.Uint(1) & 0x7F)
			if flags&1 != 0 {
				index = index<<8 | int(r.Uint(1))
			}
			if id == item {
				indices = append(indices, index)
			}
		}
	}
	return indices
}

// EXIF's orientations are the turns and reflections of a square. As numbers of
// quarter turns clockwise after a reflection left to right:
var (
	turns        = [9]int{1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 1, 7: 1, 8: 3}
	flips        = [9]bool{2: true, 4: true, 5: true, 7: true}
	orientations = map[bool][4]int{false: {1, 6, 3, 8}, true: {2, 7, 4, 5}}
)

// rotated turns a picture counter-clockwise by quarters.
func rotated(orientation, quarters int) int {
	return orientations[flips[orientation]][(turns[orientation]+4-quarters)%4]
}

// mirrored reflects a picture, top to bottom (axis 0) or left to right (1).
func mirrored(orientation, axis int) int {
	turn := (4 - turns[orientation]) % 4
	if axis == 0 {
		turn = (turn + 2) % 4
	}
	return orientations[!flips[orientation]][turn]
}
