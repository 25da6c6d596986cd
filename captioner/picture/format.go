package picture

import (
	"bytes"
	"slices"

	"github.com/bep/imagemeta"
)

// kind is a format that can be decoded.
type kind struct {
	name     string
	metadata imagemeta.ImageFormat // Auto: the format carries none
	plan     func(data []byte, to Size) (plan, error)
}

// sniff tells the format of a file from its bytes. Names lie: telephones
// write HEIC into .jpg, and browsers save WebP as .png.
func sniff(data []byte) (kind, error) {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case len(data) == 0:
		return kind{}, fail("empty", nil, "the file is empty")
	case starts("\xFF\xD8\xFF"):
		return kind{"jpeg", imagemeta.JPEG, planJPEG}, nil
	case starts("\x89PNG\r\n\x1A\n"):
		return kind{"png", imagemeta.PNG, planPNG}, nil
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return kind{"webp", imagemeta.WebP, planWebP}, nil
	case starts("GIF87a"), starts("GIF89a"):
		return kind{"gif", imagemeta.ImageFormatAuto, planGIF}, nil
	case starts("II*\x00"), starts("MM\x00*"):
		return kind{"tiff", imagemeta.TIFF, planTIFF}, nil
	case starts("BM") && len(data) >= 18 && string(data[6:10]) == "\x00\x00\x00\x00":
		return kind{"bmp", imagemeta.ImageFormatAuto, planBMP}, nil
	}
	if name := notYet(data); name != "" {
		return kind{}, unsupported(nil, "%s pictures cannot be read yet", name)
	}
	return kind{}, fail("not-a-picture", nil, "the file is not a picture: it begins with %q", data[:min(len(data), 16)])
}

// notYet names the picture formats that are recognised but not decoded,
// apart from those of TIFF's kind (see rawFormat).
func notYet(data []byte) string {
	starts := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case starts("FUJIFILMCCD-RAW"):
		return "Fujifilm RAW (RAF)"
	case starts("IIRO"), starts("IIRS"), starts("MMOR"):
		return "Olympus RAW (ORF)"
	case starts("IIU\x00"):
		return "Panasonic RAW (RW2)"
	case starts("II+\x00"), starts("MM\x00+"):
		return "BigTIFF"
	case starts("\xFF\x0A"), starts("\x00\x00\x00\x0CJXL "):
		return "JPEG XL"
	case starts("\x00\x00\x00\x0CjP  "), starts("\xFF\x4F\xFF\x51"):
		return "JPEG 2000"
	case starts("8BPS"):
		return "Photoshop"
	}
	return isoFormat(data)
}

// isoFormat looks at the brands of an ISO base media file. Videos are of this
// family too; for them it returns "".
func isoFormat(data []byte) string {
	if len(data) < 12 || string(data[4:8]) != "ftyp" {
		return ""
	}
	end := min(int(data[2])<<8|int(data[3]), len(data), 512)
	brands := []string{string(data[8:12])}
	for pos := 16; pos+4 <= end; pos += 4 {
		brands = append(brands, string(data[pos:pos+4]))
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(brands, n) })
	}
	switch {
	case has("crx "):
		return "Canon RAW (CR3)"
	case has("avif", "avis"):
		return "AVIF"
	case has("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "mif2", "msf1"):
		return "HEIF (HEIC)"
	}
	return ""
}
