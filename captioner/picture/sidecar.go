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

// WithSidecar lays what a sidecar says over what the picture's own file says.
// Where the sidecar says nothing, or cannot be read any further, the file
// counts. The camera's own tags stay as they are.
func WithSidecar(m storage.Metadata, sidecar []byte) storage.Metadata {
	said, _ := xmp.Parse(sidecar)
	setWritten(&m, said.Over(xmp.Properties{
		Title: m.Title, Description: m.Description, Keywords: m.Keywords, People: m.People, Rating: m.Rating,
	}))
	return m
}
