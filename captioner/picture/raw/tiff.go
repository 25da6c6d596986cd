package raw

import (
	"slices"
	"strings"

	"shoebox/captioner/picture/ifd"
)

// TIFF tags and the values that matter here.
const (
	tagJpgFromRaw     = 0x002E // Panasonic's
	tagCompression    = 0x0103
	tagPhotometric    = 0x0106
	tagMake           = 0x010F
	tagStripOffsets   = 0x0111
	tagOrientation    = 0x0112
	tagStripByteCount = 0x0117
	tagSubIFDs        = 0x014A
	tagJPEGOffset     = 0x0201
	tagJPEGLength     = 0x0202
	tagXMP            = 0x02BC
	tagDNGVersion     = 0xC612

	photometricCFA       = 32803 // a sensor's mosaic
	photometricLinearRaw = 34892
)

// rawCompressions are those that only cameras' raw files use.
var rawCompressions = []uint32{32767, 34713, 34892, 65535}

// maxDirectories bounds a walk through directories that point to each other.
// Real files have up to ten.
const maxDirectories = 32

// openTIFF recognises the raw formats that are TIFF files. The first directory
// of one often holds a small preview that would decode well, and be the wrong
// picture.
func openTIFF(data []byte) (File, bool) {
	tiff, first, ok := ifd.Open(data)
	if !ok {
		return File{}, false
	}
	directories := walk(tiff, first)
	f := File{Format: tiffFormat(data, directories)}
	switch {
	case f.Format == "":
		return File{}, false
	case len(directories) == 0:
		f.Truncated = true
		return f, true
	}
	var named []part
	for _, d := range directories {
		named = append(named, part{int64(d.First(tagJPEGOffset, 0)), int64(d.First(tagJPEGLength, 0))})
		if len(d.Numbers(tagStripOffsets)) == 1 {
			named = append(named, part{int64(d.First(tagStripOffsets, 0)), int64(d.First(tagStripByteCount, 0))})
		}
	}
	main := directories[0]
	if offset, length := main.Offset(tagJpgFromRaw); f.Format == "rw2" {
		named = append(named, part{offset, length})
	}
	f.choose(data, named)
	f.Orientation = int(main.First(tagOrientation, 0))
	f.EXIF = []Directory{{Data: data}}
	f.XMP = main.Bytes(tagXMP)
	return f, true
}

// walk lists the directories of a file: the chain of the main ones, and those
// that they point to.
func walk(tiff ifd.File, first uint32) (found []*ifd.Directory) {
	seen := map[uint32]bool{0: true}
	queue := []uint32{first}
	for len(queue) > 0 && len(found) < maxDirectories {
		offset := queue[0]
		queue = queue[1:]
		if seen[offset] {
			continue
		}
		seen[offset] = true
		if d := tiff.Directory(offset); d != nil {
			found = append(found, d)
			queue = append(append(queue, d.Next), d.Numbers(tagSubIFDs)...)
		}
	}
	return found
}

// tiffFormat names the raw format of a TIFF file, "" for a plain one.
func tiffFormat(data []byte, directories []*ifd.Directory) string {
	switch magic := string(data[:4]); {
	case magic == "IIRO", magic == "IIRS", magic == "MMOR":
		return "orf"
	case magic == "IIU\x00":
		return "rw2"
	case magic != "II*\x00" && magic != "MM\x00*":
		return ""
	case len(data) >= 10 && string(data[8:10]) == "CR":
		return "cr2"
	case len(directories) == 0:
		return ""
	case directories[0].Has(tagDNGVersion):
		return "dng"
	case !slices.ContainsFunc(directories, holdsSensorData):
		return ""
	}
	maker := directories[0].Text(tagMake)
	for _, known := range []struct{ maker, format string }{
		{"NIKON", "nef"}, {"SONY", "arw"}, {"PENTAX", "pef"}, {"RICOH", "pef"},
	} {
		if strings.HasPrefix(maker, known.maker) {
			return known.format
		}
	}
	return "raw"
}

func holdsSensorData(d *ifd.Directory) bool {
	photometric := d.First(tagPhotometric, 0)
	return photometric == photometricCFA || photometric == photometricLinearRaw ||
		slices.Contains(rawCompressions, d.First(tagCompression, 1))
}
