package picture_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoebox/captioner/picture"
)

const (
	sharedPhotos = "../../../shared/photos"
	manifest     = "../../testdata/exif-samples.manifest"
)

func needShared(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(sharedPhotos); err != nil {
		t.Skip("needs ../shared/photos")
	}
}

func TestExifSamplesEndAsTheManifestSays(t *testing.T) {
	needShared(t)
	root := filepath.Join(sharedPhotos, "exif-samples")
	want := readManifest(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if got := outcome(t, path); got != want[name] {
			t.Errorf("%s: %s; the manifest says %q", name, got, want[name])
		}
		delete(want, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("%s is in the manifest and not there", name)
	}
}

func readManifest(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		result, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			t.Fatalf("the manifest has a line %q", line)
		}
		want[name] = result
	}
	return want
}

func outcome(t *testing.T, path string) string {
	t.Helper()
	if !picture.IsPictureName(path) {
		return "ignored"
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := picture.Decode(data, modelSize)
	var e *picture.Error
	switch {
	case errors.As(err, &e) && e.Unsupported:
		return "unsupported"
	case errors.As(err, &e):
		return "failed " + e.Code
	case p.Damaged:
		return "captioned damaged"
	}
	return "captioned"
}

func TestTurnedSamplesShowTheSamePicture(t *testing.T) {
	needShared(t)
	for _, shape := range []string{"Landscape", "Portrait"} {
		var upright []byte
		for orientation := 1; orientation <= 8; orientation++ {
			path := fmt.Sprintf("%s/exif-orientation/%s_%d.jpg", sharedPhotos, shape, orientation)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p, err := picture.Decode(data, modelSize)
			if err != nil {
				t.Fatal(err)
			}
			if (p.Width > p.Height) != (shape == "Landscape") {
				t.Errorf("%s: %dx%d", path, p.Width, p.Height)
			}
			if upright == nil {
				upright = p.Pixels
			}
			// Each has its number written over it, in other places.
			if _, psnr := compare(p.Pixels, upright); psnr < 18 {
				t.Errorf("%s: PSNR %.1f dB against the first", path, psnr)
			}
		}
	}
}
