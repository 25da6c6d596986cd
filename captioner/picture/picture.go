// Package picture turns the bytes of a file into what the captioning model
// sees: upright RGB pixels of the model's size, and what the camera and people
// wrote down about the picture.
//
// The resize rule is stated here and nowhere else on the Go side: turn the
// picture upright as its EXIF orientation says (in HEIC and AVIF the file's
// own, which EXIF only repeats), make it RGB (transparent
// parts over white, colour profiles ignored, the high byte of 16-bit samples),
// and squash it straight to the model's size, whatever its shape, with
// Pillow's antialiased triangle filter (Image.resize with BILINEAR), first
// along the rows, then along the columns. Training does the same, and the
// tests compare with pixels that Pillow made.
//
// The package never opens a file, trusts a file name or writes anything. What
// it decodes is hostile until proven otherwise: memory is estimated from the
// header before it is taken, and a decoder that panics costs an *Error.
package picture

import (
	"fmt"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"shoebox/storage"
)

// DecoderVersion is raised when a format becomes supported or a decoder
// better. Files that an older version called unsupported are asked again.
const DecoderVersion = 2

// MaxFileSize is the number of bytes above which a file should not be read at
// all. The largest files of the supported formats, 16-bit TIFFs of 100
// megapixel cameras, hold 600 MB and would be refused for their memory anyway.
const MaxFileSize = 400 << 20

// Size is a width and a height in pixels.
type Size struct{ Width, Height int }

func (s Size) String() string { return fmt.Sprintf("%dx%d pixels", s.Width, s.Height) }

// Picture is a decoded file.
type Picture struct {
	// Pixels are what the model sees: RGB, row by row from the top left,
	// 3*Width*Height bytes of the size that Decode was asked for.
	Pixels []byte
	// Format is "jpeg", "png", "webp", "gif", "tiff", "bmp", "heic", "avif" or
	// a raw file's: "cr2", "cr3", "nef", "arw", "dng", "raf", "orf", "rw2",
	// "pef", and "raw" for that of an unknown camera.
	Format string
	// Width and Height are of the whole picture, upright, in pixels; of a raw
	// file, of the picture that the camera made of it.
	Width, Height int
	// Damaged says that the file was cut off or overwritten in places: part
	// of the picture, or of its detail, is missing. Rows that are missing
	// were left out of Pixels, not painted grey.
	Damaged bool
	// Metadata is what the file says about the picture. It is empty when it
	// says nothing or nothing that can be read: that is never an error.
	Metadata storage.Metadata
	// Resizing is how long it took to squash the picture, and to make Small, of
	// all that Decode took.
	Resizing time.Duration
	// Small is a second rendition, for people, if DecodeBoth was asked for one.
	Small Rendition
}

// Decode reads a whole file. The error is always an *Error.
func Decode(data []byte, to Size) (Picture, error) {
	return decode(data, to, func(source, orientation, Size) Rendition { return Rendition{} })
}

func decode(data []byte, to Size, small func(src source, o orientation, whole Size) Rendition) (p Picture, err error) {
	if to.Width < 1 || to.Height < 1 || to.Width > maxTarget || to.Height > maxTarget {
		return Picture{}, fail("wrong-size", nil, "a model cannot want pictures of %dx%d pixels", to.Width, to.Height)
	}
	defer rescue(&err)
	kind, plan, err := prepare(data, to)
	if err != nil {
		return Picture{}, err
	}
	src, err := plan.open()
	if err != nil {
		return Picture{}, err
	}
	defer src.done()
	meta := readMetadata(data, kind)
	p = Picture{
		Format:   kind.name,
		Width:    src.whole.Width,
		Height:   src.whole.Height,
		Damaged:  src.damaged,
		Metadata: meta.Metadata,
	}
	if meta.orientation.swapsSides() {
		p.Width, p.Height = p.Height, p.Width
	}
	began := time.Now()
	p.Pixels = meta.orientation.upright(src, to)
	p.Small = small(src, meta.orientation, Size{p.Width, p.Height})
	p.Resizing = time.Since(began)
	return p, nil
}

// rescue turns a panic into an error. The decoders below us are meant for
// untrusted bytes, but one bad picture must never end the worker.
func rescue(err *error) {
	if r := recover(); r != nil {
		*err = fail("broken", fmt.Errorf("panic: %v\n%s", r, debug.Stack()),
			"the picture is broken: its decoder gave up (%v)", r)
	}
}

// maxTarget bounds the size a model may ask for, so that the buffers of the
// resampler, which EstimateMemory counts, stay small.
const maxTarget = 4096

// extensions of the files that a scan takes up. Those that cannot be decoded
// yet are among them, so that `failures` can say so.
var extensions = map[string]bool{
	".jpg": true, ".jpeg": true, ".jpe": true, ".jfif": true,
	".png": true, ".webp": true, ".gif": true, ".tif": true, ".tiff": true, ".bmp": true,
	".heic": true, ".heif": true, ".hif": true, ".avif": true,
	".cr2": true, ".cr3": true, ".nef": true, ".arw": true, ".dng": true,
	".raf": true, ".orf": true, ".rw2": true, ".pef": true,
}

// IsPictureName reports whether a file of this name or path may be a picture,
// by its extension in any case. What the file really is, its bytes say.
func IsPictureName(name string) bool {
	return extensions[strings.ToLower(path.Ext(name))]
}
