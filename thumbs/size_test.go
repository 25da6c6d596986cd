package thumbs

import (
	"testing"

	"shoebox/captioner/picture"
)

func TestThumbnailsAreSmallButNotNarrow(t *testing.T) {
	cases := []struct {
		name        string
		whole, want picture.Size
	}{
		{"a photo", picture.Size{Width: 4000, Height: 3000}, picture.Size{Width: 400, Height: 300}},
		{"an upright photo", picture.Size{Width: 3000, Height: 4000}, picture.Size{Width: 300, Height: 400}},
		{"a wide photo", picture.Size{Width: 4000, Height: 2000}, picture.Size{Width: 480, Height: 240}},
		{"a panorama", picture.Size{Width: 20000, Height: 2000}, picture.Size{Width: 960, Height: 96}},
		{"a small picture", picture.Size{Width: 100, Height: 50}, picture.Size{Width: 100, Height: 50}},
		{"a line", picture.Size{Width: 10000, Height: 1}, picture.Size{Width: 960, Height: 1}},
	}
	for _, c := range cases {
		if got := SizeOf(c.whole); got != c.want {
			t.Errorf("%s of %s becomes %s, want %s", c.name, c.whole, got, c.want)
		}
	}
}
