package picture

import (
	"strings"

	"github.com/bep/imagemeta"

	"shoebox/captioner/picture/raw"
)

// rawKind shows the picture that the camera made of its raw file. The size of
// that is given as the picture's.
func rawKind(file raw.File) kind {
	return kind{
		name: file.Format,
		plan: func(_ []byte, to Size) (plan, error) {
			switch {
			case file.Truncated:
				return plan{}, fail("truncated", nil, "the %s file is cut off: its preview lies beyond its end", strings.ToUpper(file.Format))
			case file.Preview == nil:
				return plan{}, unsupported(nil, "the %s file holds no JPEG preview, and a sensor's data cannot be read yet", strings.ToUpper(file.Format))
			}
			return planJPEG(file.Preview, to)
		},
		metadata: func([]byte) embedded { return embeddedInRaw(file) },
	}
}

func embeddedInRaw(file raw.File) embedded {
	if file.EXIF == nil {
		return embeddedInJPEG(file.Preview)
	}
	e := embedded{xmp: file.XMP, orientation: orientation(file.Orientation)}
	for _, d := range file.EXIF {
		root := map[raw.Kind]string{raw.Main: mainDirectory, raw.Exposure: exifDirectory, raw.GPS: gpsDirectory}[d.Kind]
		e.tags = append(e.tags, block{standardTIFF(d.Data), imagemeta.TIFF, root})
	}
	return e
}
