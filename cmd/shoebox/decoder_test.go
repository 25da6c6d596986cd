package main

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gen2brain/jpegn"
)

// abortingLibrary is a libturbojpeg that declines every picture, so that the
// other decoder gets it, but for one: of that it dies as C programs die.
const abortingLibrary = `
#include <stdlib.h>
#include <string.h>
static const char mark[] = "abort the process";
void *tjInitDecompress(void) { return malloc(1); }
int tjDestroy(void *handle) { free(handle); return 0; }
const char *tjGetErrorStr2(void *handle) { return "declined"; }
int tjGetErrorCode(void *handle) { return 1; }
int tjDecompressHeader3(void *handle, const unsigned char *data, unsigned long size, int *w, int *h, int *s, int *c) {
	for (unsigned long i = 0; i + sizeof mark <= size; i++)
		if (!memcmp(data + i, mark, sizeof mark - 1)) abort();
	return -1;
}
int tjDecompress2(void *handle) { return -1; }
void *tjInitCompress(void) { return malloc(1); }
unsigned long tjBufSize(int width, int height, int subsampling) { return 3ul * width * height; }
int tjCompress2(void *handle) { return -1; }
`

// useLibrary has the commands find a libturbojpeg that is compiled from C.
func useLibrary(t *testing.T, source string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "library.c")
	writeFile(t, file, []byte(source))
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", filepath.Join(dir, "libturbojpeg.so.0"), file).CombinedOutput()
	if err != nil {
		t.Fatalf("cc: %v: %s", err, out)
	}
	t.Setenv("LD_LIBRARY_PATH", dir)
}

func TestAPictureThatAbortsTheDecoderIsSetAsideAndItsNeighboursAreCaptioned(t *testing.T) {
	useLibrary(t, abortingLibrary)
	l := newTestLibrary(t)
	if out := l.run("doctor"); !strings.Contains(out.stdout, os.Getenv("LD_LIBRARY_PATH")) {
		t.Fatalf("doctor does not name the library:\n%s", out.stdout)
	}
	root := t.TempDir()
	photo := readSample(t, "grace_hopper.jpg")
	const neighbours = 8
	for i := range neighbours {
		writeFile(t, filepath.Join(root, fmt.Sprintf("%d.jpg", i)), withComment(photo, fmt.Sprint("neighbour ", i)))
	}
	writeFile(t, filepath.Join(root, "4-deadly.jpg"), withComment(photo, "abort the process"))

	out := l.run("index", root)
	if !strings.Contains(out.stderr, "SIGABRT") {
		t.Fatalf("the first run did not die of it: exit code %d\n%s%s", out.code, out.stdout, out.stderr)
	}
	out = l.must(exitSomeFailed, "index", root)
	if got := l.failures(root); len(got) != 1 || got["4-deadly.jpg"] != "killed-the-worker" {
		t.Errorf("failures are %v\n%s", got, out.stdout)
	}
	if s := l.status(); s.Files.Done != neighbours {
		t.Errorf("files are %+v, want %d captioned", s.Files, neighbours)
	}
}

// hugePictures are files whose decoding takes as much memory as can be made of
// few bytes: some decoded in C, some that were cut off in Go.
func hugePictures(t *testing.T, root string, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	img := image.NewGray(image.Rect(0, 0, 4000, 3000))
	for i := range img.Pix {
		img.Pix[i] = byte(i/40 + random.IntN(2))
	}
	var b bytes.Buffer
	if err := jpegn.Encode(&b, img, &jpegn.EncodeOptions{Quality: 50, Progressive: true}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		data := withComment(b.Bytes(), fmt.Sprint("number ", i))
		if i%2 == 1 {
			data = data[:len(data)*9/10]
		}
		writeFile(t, filepath.Join(root, fmt.Sprintf("%d.jpg", i)), data)
	}
}

func TestMemoryStaysWithinItsSettingWhateverComes(t *testing.T) {
	const files, budget = 16, 150 << 20 // two of the pictures at once
	// The race detector, which these tests run under, takes memory of its own.
	program := filepath.Join(t.TempDir(), "shoebox")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	peak := func(root string) int64 {
		l := newTestLibrary(t)
		l.program = program
		cmd := l.command(t.Context(), "index", "--threads=8", fmt.Sprintf("--memory=%dM", budget>>20), root)
		if out := l.finish(cmd); out.code != exitDone {
			t.Fatalf("exit code %d\n%s%s", out.code, out.stdout, out.stderr)
		}
		return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	}
	small, huge := t.TempDir(), t.TempDir()
	for i := range files {
		writeFile(t, filepath.Join(small, fmt.Sprintf("%d.jpg", i)), withComment(readSample(t, "luispedro.jpg"), fmt.Sprint("number ", i)))
	}
	hugePictures(t, huge, files)
	model, all := peak(small), peak(huge)
	t.Logf("%d MB with small pictures, %d MB with huge ones", model>>20, all>>20)
	if all > model+budget {
		t.Errorf("took %d MB more than with small pictures; --memory is %d MB", (all-model)>>20, budget>>20)
	}
}
