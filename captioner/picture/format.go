package picture

import (
	"bytes"

	"shoebox/captioner/picture/heif"
	"shoebox/captioner/picture/raw"
)

// kind is a format that can be decoded.
type kind struct {
	name string
	plan func(data []byte, to Size) (plan, error)
	// metadata finds what the file says about its picture; nil: the format
	// carries nothing.
	metadata func(data []byte) embedded
}

// sniff tells the format of a file from its bytes. Names lie: telephones
// write HEIC into .jpg, and browsers save WebP as .png.
func sniff(data []byte) (kind, error) {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case len(data) == 0:
		return kind{}, fail("empty", nil, "the file is empty")
	case starts("\xFF\xD8\xFF"):
		return kind{"jpeg", planJPEG, embeddedInJPEG}, nil
	case starts("\x89PNG\r\n\x1A\n"):
		return kind{"png", planPNG, embeddedInPNG}, nil
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return kind{"webp", planWebP, embeddedInWebP}, nil
	case starts("GIF87a"), starts("GIF89a"):
		return kind{"gif", planGIF, nil}, nil
	case starts("BM") && len(data) >= 18 && string(data[6:10]) == "\x00\x00\x00\x00":
		return kind{"bmp", planBMP, nil}, nil
	case heif.Is(data):
		return heifKind(data), nil
	}
	if file, ok := raw.Open(data); ok {
		return rawKind(file), nil
	}
	switch name := notYet(data); {
	case starts("II*\x00"), starts("MM\x00*"):
		return kind{"tiff", planTIFF, embeddedInTIFF}, nil
	case name != "":
		return kind{}, unsupported(nil, "%s pictures cannot be read yet", name)
	}
	return kind{}, fail("not-a-picture", nil, "the file is not a picture: it begins with %q", data[:min(len(data), 16)])
}

// notYet names the picture formats that are recognised but not decoded.
func notYet(data []byte) string {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case starts("II+\x00"), starts("MM\x00+"):
		return "BigTIFF"
	case starts("\xFF\x0A"), starts("\x00\x00\x00\x0CJXL "):
		return "JPEG XL"
	case starts("\x00\x00\x00\x0CjP  "), starts("\xFF\x4F\xFF\x51"):
		return "JPEG 2000"
	case starts("8BPS"):
		return "Photoshop"
	}
	return ""
}
