package heif

import (
	"encoding/binary"
	"strings"

	"shoebox/captioner/picture/isobmff"
)

// items is what a file lists of what it holds.
type items struct {
	primary   uint32
	rawEXIF   []byte // with the header that HEIF puts before it
	xmp       []byte
	truncated bool
}

// Bounds on what is looked at, because an entry may take no bytes at all. A
// picture of 250 megapixels has 1,000 tiles, each an item of one extent.
const (
	maxItems   = 10_000
	maxExtents = 100_000
)

// readItems reads which item is the picture, and finds the metadata.
func readItems(file, boxes []byte) (all items) {
	primary := isobmff.Reader{Data: isobmff.Find(boxes, "pitm")}
	version, _ := primary.FullBox()
	all.primary = uint32(primary.Uint(2 + 2*int(min(version, 1))))

	exif, xmp := metadataItems(isobmff.Find(boxes, "iinf"))
	inside := isobmff.Find(boxes, "idat")
	r := isobmff.Reader{Data: isobmff.Find(boxes, "iloc")}
	version, _ = r.FullBox()
	sizes := r.Uint(2)
	offsetSize, lengthSize := int(sizes>>12), int(sizes>>8&15)
	baseSize, indexSize := int(sizes>>4&15), int(sizes&15)
	idSize := 2
	if version == 2 {
		idSize = 4
	}
	left := maxExtents
	for n := min(r.Uint(idSize), maxItems); n > 0 && !r.Short; n-- {
		id := uint32(r.Uint(idSize))
		method := uint64(0)
		if version > 0 {
			method = r.Uint(2) & 15
		}
		r.Uint(2) // which file; always this one
		base := r.Uint(baseSize)
		from := file
		if method == 1 {
			from = inside
		}
		var data []byte
		extents := r.Uint(2)
		for e := extents; e > 0 && left > 0 && !r.Short; e-- {
			left--
			if version > 0 {
				r.Uint(indexSize)
			}
			offset, length := base+r.Uint(offsetSize), r.Uint(lengthSize)
			if method > 1 {
				continue
			}
			part, whole := extent(from, offset, length)
			all.truncated = all.truncated || !whole && !r.Short
			if extents == 1 {
				data = part
			}
		}
		switch {
		case id == exif && exif != 0:
			all.rawEXIF = data
		case id == xmp && xmp != 0:
			all.xmp = data
		}
	}
	return all
}

// extent returns a part of a file, and whether all of it is there.
func extent(data []byte, offset, length uint64) (part []byte, whole bool) {
	size := uint64(len(data))
	if offset > size || length > size {
		return nil, false
	}
	if length == 0 {
		return data[offset:], true
	}
	return data[offset:min(offset+length, size)], offset+length <= size
}

// metadataItems returns the numbers of the items that are EXIF data and the
// first XMP packet; 0: there is none.
func metadataItems(box []byte) (exif, xmp uint32) {
	r := isobmff.Reader{Data: box}
	version, _ := r.FullBox()
	r.Uint(2 + 2*int(min(version, 1))) // how many
	for entry := range isobmff.Boxes(r.Data) {
		item := isobmff.Reader{Data: entry.Data}
		version, _ := item.FullBox()
		if entry.Type != "infe" || version < 2 {
			continue
		}
		idSize := 2
		if version == 3 {
			idSize = 4
		}
		id := uint32(item.Uint(idSize))
		item.Uint(2) // protection
		switch string(item.Bytes(4)) {
		case "Exif":
			exif = id
		case "mime":
			// Its name and its type, each up to a zero byte.
			parts := strings.SplitN(string(item.Data[:min(len(item.Data), 256)]), "\x00", 3)
			if xmp == 0 && len(parts) > 1 && parts[1] == "application/rdf+xml" {
				xmp = id
			}
		}
	}
	return exif, xmp
}

// exif returns EXIF data from its TIFF header on: HEIF says before it how many
// bytes to skip.
func (i items) exif() []byte {
	if len(i.rawEXIF) < 4 {
		return nil
	}
	skip := uint64(binary.BigEndian.Uint32(i.rawEXIF)) + 4
	if skip > uint64(len(i.rawEXIF)) {
		return nil
	}
	return i.rawEXIF[skip:]
}
