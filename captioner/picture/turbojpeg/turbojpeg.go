// Package turbojpeg decodes JPEG files, and writes small ones, with the system's
// libturbojpeg, the C library of libjpeg-turbo. It is loaded at run time, so that building needs
// neither the library nor its headers and a machine without it does without.
//
// The package only decodes what is in perfect order. Of a file about which the
// library so much as warns it returns an error and no pixels: what of a damaged
// picture can still be used is for its caller to find out by other means. The
// library is C and reads untrusted bytes outside Go's memory safety: a defect
// of it may end the process.
package turbojpeg

// The functions are declared here as every libturbojpeg from 2.0 to 3.x has
// them (turbojpeg.h); 3.x keeps them beside its own.

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

typedef struct {
	void *(*init)(void);
	int (*header)(void *, const unsigned char *, unsigned long, int *, int *, int *, int *);
	int (*decompress)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int, int);
	void *(*init_compress)(void);
	unsigned long (*room)(int, int, int);
	int (*compress)(void *, const unsigned char *, int, int, int, int, unsigned char **, unsigned long *, int, int, int);
	int (*destroy)(void *);
	const char *(*error)(void *);
} functions;

static void *find(void *library, functions *f) {
	f->init = dlsym(library, "tjInitDecompress");
	f->header = dlsym(library, "tjDecompressHeader3");
	f->decompress = dlsym(library, "tjDecompress2");
	f->init_compress = dlsym(library, "tjInitCompress");
	f->room = dlsym(library, "tjBufSize");
	f->compress = dlsym(library, "tjCompress2");
	f->destroy = dlsym(library, "tjDestroy");
	f->error = dlsym(library, "tjGetErrorStr2");
	// This one is new in 2.0, with the flag to stop at a warning.
	void *new_in_2 = dlsym(library, "tjGetErrorCode");
	return f->init && f->header && f->decompress && f->init_compress && f->room && f->compress && f->destroy && f->error
		? new_in_2 : NULL;
}

static const char *file_of(void *function) {
	Dl_info info;
	return dladdr(function, &info) ? info.dli_fname : NULL;
}

static void *call_init(functions *f) { return f->init(); }
static void call_destroy(functions *f, void *handle) { f->destroy(handle); }
static const char *call_error(functions *f, void *handle) { return f->error(handle); }

static int call_header(functions *f, void *handle, const unsigned char *data, unsigned long size, int *width, int *height) {
	int subsampling, colours;
	return f->header(handle, data, size, width, height, &subsampling, &colours);
}

static void give_back(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static int call_decompress(functions *f, void *handle, const unsigned char *data, unsigned long size,
		unsigned char *pixels, int width, int pitch, int height, int format, int flags) {
	return f->decompress(handle, data, size, pixels, width, pitch, height, format, flags);
}

static void *call_init_compress(functions *f) { return f->init_compress(); }
static unsigned long call_room(functions *f, int width, int height, int subsampling) { return f->room(width, height, subsampling); }

// Returns the number of bytes, 0 after an error.
static unsigned long call_compress(functions *f, void *handle, const unsigned char *pixels, int width, int height, int format,
		unsigned char *out, unsigned long size, int subsampling, int quality, int flags) {
	return f->compress(handle, pixels, width, 0, height, format, &out, &size, subsampling, quality, flags) == 0 ? size : 0;
}
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"unsafe"
)

// Library is a libturbojpeg that was loaded. It may be used by many goroutines.
type Library struct {
	functions *C.functions
	path      string
}

// System returns the library that the dynamic linker finds, in LD_LIBRARY_PATH
// or the system's folders. It is loaded by the first call and never unloaded.
// The error says why there is none.
var System = sync.OnceValues(func() (*Library, error) {
	return open("libturbojpeg.so.0") // 0: of its interface, since the beginning
})

func open(name string) (*Library, error) {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	handle := C.dlopen(cName, C.RTLD_NOW|C.RTLD_LOCAL)
	if handle == nil {
		return nil, errors.New(C.GoString(C.dlerror()))
	}
	l := &Library{path: name, functions: new(C.functions)}
	symbol := C.find(handle, l.functions)
	if symbol == nil {
		C.dlclose(handle)
		return nil, fmt.Errorf("%s is no libturbojpeg 2.0 or later", name)
	}
	if file := C.file_of(symbol); file != nil {
		l.path = C.GoString(file)
	}
	return l, nil
}

// Path is the library's file, without links where they can be resolved.
func (l *Library) Path() string {
	if path, err := filepath.EvalSymlinks(l.path); err == nil {
		return path
	}
	return l.path
}

var version = regexp.MustCompile(`libjpeg-turbo version (\d[\w.]*)`)

// Version is libjpeg-turbo's, "2.1.5", or "" if the library does not say. No
// function tells it: it is read from a text inside the library's file.
func (l *Library) Version() string {
	data, err := os.ReadFile(l.Path())
	if err != nil {
		return ""
	}
	if found := version.FindSubmatch(data); found != nil {
		return string(found[1])
	}
	return ""
}

// Format is how samples lie in memory.
type Format int

// The formats, with turbojpeg.h's numbers.
const (
	RGB  Format = 0 // three bytes a pixel
	Grey Format = 6 // one byte a pixel
)

func (f Format) bytes() int {
	if f == Grey {
		return 1
	}
	return 3
}

// Flags of turbojpeg.h. A library that does not know the last one ignores it.
const (
	accurateDCT   = 4096
	stopOnWarning = 8192
	limitScans    = 32768 // to 500
)

// Scaled returns how many samples a side of a picture has after scaling by a
// denominator of 1, 2, 4 or 8.
func Scaled(side, denominator int) int { return (side + denominator - 1) / denominator }

// Decode decodes a file of width x height pixels, scaled down by 1, 2, 4 or 8
// while it is decoded, into pixels: rows from the top, without gaps. pixels must
// hold at least Scaled(width) * Scaled(height) of them. After an error it holds
// anything. The library itself takes, until it returns, some rows of pixels, and
// for a file of several scans two bytes for each sample of it.
func (l *Library) Decode(data []byte, width, height, denominator int, format Format, pixels []byte) error {
	w, h := Scaled(width, denominator), Scaled(height, denominator)
	if w < 1 || h < 1 || len(data) == 0 || len(pixels) < w*h*format.bytes() {
		return fmt.Errorf("no room for %dx%d pixels in %d bytes", w, h, len(pixels))
	}
	// A new one for each picture: nothing that a file did to it is left for the next.
	handle := C.call_init(l.functions)
	if handle == nil {
		return errors.New("libturbojpeg cannot begin: out of memory?")
	}
	defer C.call_destroy(l.functions, handle)
	file, size := (*C.uchar)(unsafe.Pointer(unsafe.SliceData(data))), C.ulong(len(data))
	var fileWidth, fileHeight C.int
	if C.call_header(l.functions, handle, file, size, &fileWidth, &fileHeight) != 0 {
		return l.lastError(handle)
	}
	if int(fileWidth) != width || int(fileHeight) != height { // 0x0 for some garbage
		return fmt.Errorf("libturbojpeg sees a picture of %dx%d pixels, not %dx%d", fileWidth, fileHeight, width, height)
	}
	if C.call_decompress(l.functions, handle, file, size, (*C.uchar)(unsafe.Pointer(unsafe.SliceData(pixels))),
		C.int(w), C.int(w*format.bytes()), C.int(h), C.int(format), accurateDCT|stopOnWarning|limitScans) != 0 {
		return l.lastError(handle)
	}
	return nil
}

// Of turbojpeg.h, for Encode.
const (
	quarterColour = 2    // TJSAMP_420
	noRealloc     = 1024 // the buffer is ours
)

var jpegBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Encode makes a JPEG file of RGB pixels, rows from the top without gaps, in a
// quality of 1 to 100 and with a quarter of the samples of colour.
func (l *Library) Encode(pixels []byte, width, height, quality int) ([]byte, error) {
	if width < 1 || height < 1 || len(pixels) != 3*width*height {
		return nil, fmt.Errorf("%d bytes are no %dx%d pixels", len(pixels), width, height)
	}
	handle := C.call_init_compress(l.functions)
	if handle == nil {
		return nil, errors.New("libturbojpeg cannot begin: out of memory?")
	}
	defer C.call_destroy(l.functions, handle)
	buffer := jpegBuffers.Get().(*[]byte)
	defer jpegBuffers.Put(buffer)
	room := int(C.call_room(l.functions, C.int(width), C.int(height), quarterColour))
	if cap(*buffer) < room {
		*buffer = make([]byte, room)
	}
	out := (*buffer)[:cap(*buffer)]
	size := C.call_compress(l.functions, handle, (*C.uchar)(unsafe.Pointer(unsafe.SliceData(pixels))), C.int(width), C.int(height),
		C.int(RGB), (*C.uchar)(unsafe.Pointer(unsafe.SliceData(out))), C.ulong(len(out)), quarterColour, C.int(quality), noRealloc)
	if size == 0 || int(size) > len(out) {
		return nil, l.lastError(handle)
	}
	return bytes.Clone(out[:size]), nil
}

// GiveBack returns to the system what C programs have freed. glibc keeps up to
// 64 MB for each thread otherwise, which nobody's budget counts.
func GiveBack() { C.give_back() }

func (l *Library) lastError(handle unsafe.Pointer) error {
	return errors.New("libturbojpeg: " + C.GoString(C.call_error(l.functions, handle)))
}
