package raw

import (
	"bytes"

	"shoebox/captioner/picture/isobmff"
)

// Names of Canon's box, and of the one for XMP.
const (
	uuidCanon = "\x85\xC0\xB6\x87\x82\x0F\x11\xE0\x81\x11\xF4\xCE\x46\x2B\x6A\x48"
	uuidXMP   = "\xBE\x7A\xCF\xCB\x97\xA9\x42\xE8\x9C\x71\x99\x94\x91\xE3\xAF\xAC"
)

// maxTracks bounds the tracks that are looked at; cameras write five.
const maxTracks = 16

// openCR3 reads Canon's files of 2018 and later: a film of one picture, whose
// tracks are the JPEG file at full size and the sensor's data.
func openCR3(data []byte) File {
	f := File{Format: "cr3"}
	var named []part
	for box := range isobmff.Boxes(data) {
		switch {
		case box.Type == "moov":
			named = append(named, tracks(box.Data)...)
			f.readCanon(uuidBox(box.Data, uuidCanon))
		case box.Type == "uuid" && bytes.HasPrefix(box.Data, []byte(uuidXMP)):
			f.XMP = box.Data[16:]
		}
	}
	f.choose(data, named)
	return f
}

// readCanon finds the camera's tags: each directory is a box of its own.
func (f *File) readCanon(boxes []byte) {
	for box := range isobmff.Boxes(boxes) {
		switch box.Type {
		case "CMT1":
			f.EXIF = append(f.EXIF, Directory{box.Data, Main})
			f.Orientation = orientationOf(box.Data)
		case "CMT2":
			f.EXIF = append(f.EXIF, Directory{box.Data, Exposure})
		case "CMT4":
			f.EXIF = append(f.EXIF, Directory{box.Data, GPS})
		}
	}
}

func uuidBox(boxes []byte, uuid string) []byte {
	for box := range isobmff.Boxes(boxes) {
		if box.Type == "uuid" && bytes.HasPrefix(box.Data, []byte(uuid)) {
			return box.Data[len(uuid):]
		}
	}
	return nil
}

// tracks returns where the first sample of each track is.
func tracks(movie []byte) (samples []part) {
	for box := range isobmff.Boxes(movie) {
		if box.Type != "trak" || len(samples) == maxTracks {
			continue
		}
		table := box.Data
		for _, inside := range []string{"mdia", "minf", "stbl"} {
			table = isobmff.Find(table, inside)
		}
		sizes := isobmff.Reader{Data: isobmff.Find(table, "stsz")}
		sizes.FullBox()
		size := sizes.Uint(4)
		if count := sizes.Uint(4); size == 0 && count > 0 {
			size = sizes.Uint(4) // the first of a list
		}
		offsets, width := isobmff.Reader{Data: isobmff.Find(table, "co64")}, 8
		if offsets.Data == nil {
			offsets, width = isobmff.Reader{Data: isobmff.Find(table, "stco")}, 4
		}
		offsets.FullBox()
		offsets.Uint(4) // how many
		samples = append(samples, part{int64(offsets.Uint(width)), int64(size)})
	}
	return samples
}
