package main

import (
	"path/filepath"
	"testing"
)

func TestCaptionAsJSONSaysWhatElseThePictureMayShow(t *testing.T) {
	l := newTestLibrary(t)
	photo := filepath.Join(samplePhotos, "chelsea.png")
	out := l.must(exitDone, "caption", "--json", photo)
	line := lines[captionLine](t, out.stdout)[0]
	if len(line.Others) == 0 {
		t.Error("there is no other caption")
	}
	for _, other := range line.Others {
		if other.Text == "" || other.Text == line.Caption || other.Likelihood >= 0 {
			t.Errorf("another caption of %q is %+v", line.Caption, other)
		}
	}
	if len(line.LooksLike) != looksLike {
		t.Errorf("it looks like %+v, want %d words", line.LooksLike, looksLike)
	}
	for _, likely := range line.LooksLike {
		if likely.Word == "" || likely.Probability <= 0 || likely.Probability > 1 {
			t.Errorf("it looks like %+v", likely)
		}
	}
}
