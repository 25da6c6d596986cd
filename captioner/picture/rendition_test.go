package picture

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A second rendition must not change what the model sees, and show people the
// same picture as a decode of its own would.
func TestASecondRenditionShowsTheSamePicture(t *testing.T) {
	const alike = 24 // dB; another picture, or the same turned, has less than 15
	for _, c := range []struct {
		name string
		size Size
	}{
		{"../../testdata/photos/raccoon.jpg", Size{400, 300}},
		{"../../testdata/photos/hubble_deep_field.jpg", Size{400, 349}},
		{"../../testdata/photos/china.jpg", Size{100, 67}}, // six samples a pixel
		{"../../testdata/photos/coffee.png", Size{400, 267}},
		{"testdata/inputs/colour.heic", Size{200, 133}},
		{"testdata/inputs/orientation-6.jpg", Size{40, 60}},
		{"testdata/inputs/orientation-6.webp", Size{40, 60}},
		{"testdata/inputs/orientation-7.heic", Size{40, 60}},
		{"testdata/inputs/grey.jpg", Size{50, 40}},
		{"testdata/inputs/one-pixel.png", Size{1, 1}},
	} {
		t.Run(filepath.Base(c.name), func(t *testing.T) {
			data, err := os.ReadFile(c.name)
			if err != nil {
				t.Fatal(err)
			}
			var whole Size
			both, err := DecodeBoth(data, modelInput, func(size Size) Size { whole = size; return c.size })
			if err != nil {
				t.Fatal(err)
			}
			if whole != (Size{both.Width, both.Height}) {
				t.Errorf("it is asked for the size of a picture of %s, which has %dx%d", whole, both.Width, both.Height)
			}
			alone, err := Decode(data, modelInput)
			if err != nil || !bytes.Equal(alone.Pixels, both.Pixels) || alone.Small.Pixels != nil {
				t.Errorf("the model sees something else: %v", err)
			}
			want, err := Decode(data, c.size)
			if err != nil {
				t.Fatal(err)
			}
			if got := psnr(both.Small.Pixels, want.Pixels); got < alike {
				t.Errorf("its second rendition is %.1f dB from what it shows", got)
			}
		})
	}
}

func TestARenditionThatIsTooLargeIsNotMade(t *testing.T) {
	data, err := os.ReadFile("../../testdata/photos/china.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []Size{{}, {0, 100}, {1000, 1000}} {
		p, err := DecodeBoth(data, modelInput, func(Size) Size { return size })
		if err != nil || p.Small.Pixels != nil || len(p.Pixels) == 0 {
			t.Errorf("of %s there are %d bytes: %v", size, len(p.Small.Pixels), err)
		}
	}
}
