package picture

import (
	"runtime/debug"
	"sync"

	"shoebox/captioner/picture/turbojpeg"
)

// JPEGDecoder says for people which decoder reads JPEG files here, and its
// version. system says whether it is the system's libturbojpeg, the fastest; if
// not, the text ends in the reason.
func JPEGDecoder() (text string, system bool) {
	library, err := turbojpeg.System()
	if err != nil {
		return "jpegn" + moduleVersion("github.com/gen2brain/jpegn") + ", pure Go: " + err.Error(), false
	}
	version := library.Version()
	if version == "" {
		version = "of unknown version"
	}
	return "libjpeg-turbo " + version + ", " + library.Path(), true
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range info.Deps {
		if module.Path == path {
			return " " + module.Version
		}
	}
	return ""
}

// planTurbo decodes with libturbojpeg a file that seems to be complete. Should
// the library find anything wrong with it, the file takes the slow way, which
// knows what can be used of a damaged picture: so what becomes of a file does
// not depend on whether the library is there.
//
// The library takes less memory than the slow way: it returns 3 bytes for a
// pixel and keeps 2 for a coefficient where jpegn has 5 and more, and 4.
func (f *jpegFile) planTurbo(library *turbojpeg.Library, data []byte, to Size, slow plan) plan {
	return plan{slow.memory, func() (source, error) {
		src, err := f.decodeTurbo(library, data, f.denominator(to))
		if err != nil {
			return slow.open()
		}
		return src, nil
	}}
}

// keptSamples is the largest buffer that is kept for the next picture, in bytes.
// Whatever is scaled down fits, unless it is a panorama.
const keptSamples = 8 << 20

var sampleBuffers = sync.Pool{New: func() any { return new([]byte) }}

func (f *jpegFile) decodeTurbo(library *turbojpeg.Library, data []byte, denominator int) (source, error) {
	cols := turbojpeg.Scaled(f.size.Width, denominator)
	rows := turbojpeg.Scaled(f.size.Height, denominator)
	format, stride := turbojpeg.RGB, 3*cols
	if len(f.components) == 1 {
		format, stride = turbojpeg.Grey, cols
	}
	buffer := sampleBuffers.Get().(*[]byte)
	*buffer = grow(*buffer, stride*rows)
	free := func() {
		if cap(*buffer) <= keptSamples {
			sampleBuffers.Put(buffer)
		}
	}
	samples := *buffer
	if f.multiScan() {
		defer turbojpeg.GiveBack()
	}
	if err := library.Decode(data, f.size.Width, f.size.Height, denominator, format, samples); err != nil {
		free()
		return source{}, err
	}
	src := source{
		whole: f.size,
		cols:  cols, rows: rows,
		width:  float64(f.size.Width) / float64(denominator),
		height: float64(f.size.Height) / float64(denominator),
		row:    func(y int, rgb []byte) { copy(rgb, samples[y*stride:][:stride]) },
		free:   free,
	}
	if format == turbojpeg.Grey {
		src.row = func(y int, rgb []byte) { grayRow(samples[y*stride:][:stride], 1, rgb) }
	}
	return src, nil
}
