// Package raw finds in a camera's raw file the picture that the camera itself
// made of it: the largest JPEG inside, which cameras show on their screens. It
// knows CR2, CR3, NEF, ARW, DNG, RAF, ORF, RW2 and PEF.
//
// It never decodes a sensor's data. It looks at directories and headers only,
// copies nothing, and follows no more directories and signatures than real
// files have.
package raw

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"shoebox/captioner/picture/ifd"
)

// File is a raw file.
type File struct {
	// Format is the usual extension without its dot, "cr2"; "raw" for one of
	// a camera that is not known.
	Format string
	// Preview is the largest JPEG file inside, up to where it ends or later;
	// nil: there is none.
	Preview []byte
	// Truncated says that a larger picture than the preview is named and is
	// not there, at least not to its end.
	Truncated bool
	// Orientation is EXIF's, from the raw file's own tags: the previews do
	// not all have one. 0: the file does not say.
	Orientation int
	// EXIF is where the camera's tags are; none: in the preview.
	EXIF []Directory
	// XMP is the packet that a program put into the file; nil: none.
	XMP []byte
}

// Directory is TIFF structure with EXIF tags.
type Directory struct {
	Data []byte
	// Kind is what its first directory holds.
	Kind Kind
}

// Kind is what a directory holds.
type Kind int

// The directories that raw files keep apart.
const (
	Main Kind = iota // the camera, and pointers to the other two
	Exposure
	GPS
)

// Open recognises a raw file and looks for its picture. It returns false for
// any other file.
func Open(data []byte) (File, bool) {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case starts("FUJIFILMCCD-RAW"):
		return openRAF(data), true
	case starts("II"), starts("MM"):
		return openTIFF(data)
	case len(data) >= 12 && string(data[4:12]) == "ftypcrx ":
		return openCR3(data), true
	}
	return File{}, false
}

// enough is a width or height in pixels that makes a preview a picture.
// Where the directories name a smaller one only, a larger is elsewhere:
// Olympus and Pentax keep theirs where only their own programs know.
const enough = 1000

// part is where a file says that a preview is.
type part struct{ offset, length int64 }

// of returns a part of a file. Of one that is cut off, what is there counts.
func (p part) of(data []byte) []byte {
	if p.offset <= 0 || p.length <= 0 || p.offset >= int64(len(data)) {
		return nil
	}
	return data[p.offset:min(p.offset+p.length, int64(len(data)))]
}

// choose sets the largest of the previews.
func (f *File) choose(data []byte, named []part) {
	var candidates [][]byte
	beyond := false
	for _, p := range named {
		candidates = append(candidates, p.of(data))
		beyond = beyond || p.length > 0 && p.offset+p.length > int64(len(data))
	}
	best := largest(candidates)
	if best.side() < enough {
		best = largest(append(signatures(data), best.data))
		f.Truncated = beyond && best.side() < enough
	}
	f.Preview = best.data
}

func largest(candidates [][]byte) preview {
	var found []preview
	for _, c := range candidates {
		if p, ok := parsePreview(c); ok {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return preview{}
	}
	return slices.MaxFunc(found, func(a, b preview) int { return cmp.Compare(a.width*a.height, b.width*b.height) })
}

// signatures returns what begins like a JPEG file, wherever it is. Inside of a
// sensor's data that happens by chance; it is no JPEG header then.
func signatures(data []byte) (found [][]byte) {
	const most = 1000
	for len(found) < most {
		i := bytes.Index(data, []byte("\xFF\xD8\xFF"))
		if i < 0 {
			break
		}
		found = append(found, data[i:])
		data = data[i+3:]
	}
	return found
}

// openRAF reads Fujifilm's header, which says where the JPEG file is. That one
// carries all of the camera's tags.
func openRAF(data []byte) File {
	f := File{Format: "raf"}
	if len(data) >= 92 {
		be := binary.BigEndian
		f.choose(data, []part{{int64(be.Uint32(data[84:])), int64(be.Uint32(data[88:]))}})
	}
	return f
}

func orientationOf(data []byte) int {
	file, first, ok := ifd.Open(data)
	if !ok {
		return 0
	}
	return int(file.Directory(first).First(tagOrientation, 0))
}
