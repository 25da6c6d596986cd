package picture

import (
	"path"
	"strings"

	"shoebox/captioner/picture/xmp"
	"shoebox/storage"
)

const sidecarExtension = ".xmp"

// IsSidecarName reports whether a file of this name or path may be an XMP
// sidecar: a file in which programs keep what people wrote about the picture
// beside it.
func IsSidecarName(name string) bool {
	return strings.EqualFold(path.Ext(name), sidecarExtension)
}

// SidecarsOf lists the names that the sidecar of a picture may have, in the
// same folder. The first that is there counts: digiKam and darktable write
// "IMG_1.CR2.xmp", Lightroom "IMG_1.xmp", which then is that of "IMG_1.JPG",
// too.
func SidecarsOf(picture string) []string {
	stem := strings.TrimSuffix(picture, path.Ext(picture))
	upper := strings.ToUpper(sidecarExtension)
	return []string{picture + sidecarExtension, picture + upper, stem + sidecarExtension, stem + upper}
}

// MaxSidecarSize is how large a sidecar may be, bytes.
const MaxSidecarSize = xmp.MaxSize

// ReadSidecar returns what a sidecar says. One that is not whole is an error:
// a program may be writing it.
func ReadSidecar(packet []byte) (storage.Sidecar, error) {
	said, err := xmp.Parse(packet)
	if err != nil {
		return storage.Sidecar{}, err
	}
	s := storage.Sidecar{Title: said.Title, Description: said.Description, Keywords: said.Keywords, People: said.People}
	if said.Rated {
		s.Rating = &said.Rating
	}
	return s, nil
}
