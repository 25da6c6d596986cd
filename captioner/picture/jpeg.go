package picture

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"

	"github.com/gen2brain/jpegn"

	"shoebox/captioner/picture/turbojpeg"
)

// oversampling is how many samples a scaled decode must leave for each pixel
// of the model, along both sides. Scaling inside the inverse DCT averages
// whole blocks, and the triangle filter hides that only if it still spans
// several samples. See TestScaledDecodeStaysCloseToTheFullOne for what it
// gives.
const oversampling = 2.5

// enoughOfAPicture is the share that must be there for a caption to be about
// the picture: of its rows, or, where a progressive file holds all rows in
// less detail, of the resolution that the model sees.
const enoughOfAPicture = 0.75

// maxScanned is how many samples may be gone over in all. In a progressive file
// a scan of a hundred bytes can cover millions of blocks, and a file can have
// hundreds of them. Encoders make about ten; this allows as many over the largest
// picture there is, and takes some seconds.
const maxScanned = 8_000_000_000

func planJPEG(data []byte, to Size) (plan, error) {
	library, _ := turbojpeg.System() // JPEGDecoder says why not
	return planJPEGWith(library, data, to)
}

// planJPEGWith decodes with libturbojpeg what is in order, and with jpegn what
// is not, or everything where library is nil.
func planJPEGWith(library *turbojpeg.Library, data []byte, to Size) (plan, error) {
	f := parseJPEG(data)
	switch {
	case f.components == nil && f.ended:
		return plan{}, fail("broken", nil, "the JPEG file has no picture in it")
	case f.components == nil, len(f.scans) == 0 && !f.ended:
		return plan{}, fail("truncated", nil, "the file is cut off before the picture begins: none of it is there")
	case len(f.scans) == 0:
		return plan{}, fail("broken", nil, "the JPEG file has no picture in it")
	case f.unsupported != "":
		return plan{}, unsupported(nil, "a %s cannot be read yet", f.unsupported)
	}
	if err := checkSize(f.size); err != nil {
		return plan{}, err
	}
	// A block of 64 samples takes three bits at the very least, but in a
	// progressive file thousands of blocks may share a few bytes; jpegn's
	// bound is 1024 pixels a byte.
	if int64(f.size.Width)*int64(f.size.Height) > 1024*int64(len(data)) {
		return plan{}, fail("truncated", nil, "the file promises a picture of %s, but its %d bytes cannot hold it", f.size, len(data))
	}
	if scans := int64(len(f.scans)); scans*f.samples() > maxScanned {
		return plan{}, fail("too-large", nil, "decoding would take too long: the file goes over %s in %d scans", f.size, scans)
	}
	if len(f.components) == 4 {
		return f.planCMYK(data)
	}
	planSlow := f.planBaseline
	if f.multiScan() {
		planSlow = f.planScans
	}
	slow, err := planSlow(data, to)
	if err != nil || library == nil || !f.ended {
		return slow, err
	}
	return f.planTurbo(library, data, to, slow), nil
}

// denominator returns by how much a picture may be scaled while it is
// decoded: 1, 2, 4 or 8. The model's larger side counts for both, because it
// is not known here whether the picture is turned.
func (f *jpegFile) denominator(to Size) int {
	side := float64(max(to.Width, to.Height))
	for d := 8; d > 1; d /= 2 {
		if float64(min(f.size.Width, f.size.Height))/float64(d) >= oversampling*side {
			return d
		}
	}
	return 1
}

// planeBytes is what jpegn takes for pixels: a plane for each component, and
// RGBA beside them where it does not return the planes.
func (f *jpegFile) planeBytes(denominator int) int64 {
	d := int64(denominator)
	bytes := f.samples() / (d * d)
	if len(f.components) == 3 {
		bytes += 4 * (int64(f.size.Width)/d + 1) * (int64(f.size.Height)/d + 1)
	}
	return bytes
}

// source wraps what jpegn decoded, scaled down by the denominator.
func (f *jpegFile) source(img image.Image, denominator int) source {
	src := sourceOf(img)
	src.whole = f.size
	src.width = float64(f.size.Width) / float64(denominator)
	src.height = float64(f.size.Height) / float64(denominator)
	return src
}

// planBaseline is for the usual file, whose blocks come one after the other.
func (f *jpegFile) planBaseline(data []byte, to Size) (plan, error) {
	d := f.denominator(to)
	end := f.scans[0].data.end
	return plan{
		// jpegn copies the file, and again when missingRows has to ask it.
		memory: 3*int64(end) + f.planeBytes(d),
		open: func() (source, error) {
			img, err := f.decode(data[:end], d)
			if err != nil {
				return source{}, jpegError(err)
			}
			missing, err := f.missingRows(img, data[:end], d)
			if err != nil {
				return source{}, jpegError(err)
			}
			return f.source(img, d).without(missing, f.blockHeight()/d)
		},
	}, nil
}

// planScans is for files that show the whole picture several times over, in
// more and more detail: progressive ones, and those with a scan a component.
// A scan that was cut off is left out.
func (f *jpegFile) planScans(data []byte, to Size) (plan, error) {
	end, err := f.lastUsefulByte(to)
	if err != nil {
		return plan{}, err
	}
	d := f.denominator(to)
	memory := int64(end) + f.planeBytes(d)
	if f.progressive {
		memory += 4 * f.samples() // every coefficient of the picture
	}
	return plan{
		memory: memory,
		open: func() (source, error) {
			img, err := f.decode(data[:end], d)
			if err != nil {
				return source{}, jpegError(err)
			}
			src := f.source(img, d)
			src.damaged = !f.ended
			return src, nil
		},
	}, nil
}

// planCMYK is for the files of printers. They are rare, and jpegn mixes up
// their planes when they are subsampled, so the standard library reads them,
// at full size; of one that was cut off it gives nothing.
func (f *jpegFile) planCMYK(data []byte) (plan, error) {
	memory := 4*int64(f.size.Width)*int64(f.size.Height) + f.samples()
	if f.progressive {
		memory += 4 * f.samples()
	}
	return planImage(data, memory, jpeg.Decode), nil
}

// neverACode is bits that are all ones (each byte 0xFF needs a zero after
// it). No Huffman code of a JPEG file consists of ones alone, so a decoder
// that comes here before the picture is complete stops. Without it jpegn
// paints the rest of the picture evenly and says nothing.
var neverACode = bytes.Repeat([]byte{0xFF, 0x00}, 16)

// decode decodes a file whose last scan ends where data ends. Blocks of a lone
// scan that jpegn did not come to are zero in all components.
func (f *jpegFile) decode(data []byte, denominator int) (image.Image, error) {
	var parts [][]byte
	done := 0
	for _, scan := range f.scans {
		for _, stray := range scan.strays {
			if stray < len(data) { // jpegn would give up at a marker
				parts = append(parts, data[done:stray], []byte{0})
				done = stray + 1
			}
		}
	}
	parts = append(parts, data[done:])
	if !f.multiScan() { // of several, only those that are complete are decoded
		parts = append(parts, neverACode)
	}
	parts = append(parts, []byte{0xFF, markerEOI})
	return jpegn.Decode(newSizedReader(parts), &jpegn.Options{ScaleDenom: denominator})
}

// sizedReader tells jpegn how much it will read, so that it makes one copy
// of the file and not several growing ones.
type sizedReader struct {
	io.Reader
	size int
}

func newSizedReader(parts [][]byte) sizedReader {
	readers, size := make([]io.Reader, len(parts)), 0
	for i, part := range parts {
		readers[i] = bytes.NewReader(part)
		size += len(part)
	}
	return sizedReader{io.MultiReader(readers...), size}
}

func (r sizedReader) Len() int { return r.size }

func jpegError(err error) *Error {
	var already *Error
	var unsupportedHere jpeg.UnsupportedError
	switch {
	case errors.As(err, &already):
		return already
	case errors.Is(err, jpegn.ErrUnsupported), errors.As(err, &unsupportedHere):
		return unsupported(err, "a JPEG file of a kind that cannot be read yet: %v", err)
	}
	return fail("broken", err, "the JPEG file is broken: %v", err)
}
