package search

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTheShippedPictureWordsHaveTheStemsOfSearch compares what training and
// search make of the same words: a picture word with a stem that no query ever
// has could not be found.
func TestTheShippedPictureWordsHaveTheStemsOfSearch(t *testing.T) {
	l, err := newLanguage()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "captioner", "model", "words.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	words := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 {
			t.Fatalf("%q", line)
		}
		for _, form := range strings.Split(fields[2], ",") {
			words++
			if stems := l.stems(form); !slices.Contains(stems, fields[0]) {
				t.Errorf("search stems %q to %q, the model to %q", form, stems, fields[0])
			}
		}
	}
	if words < 1500 {
		t.Errorf("only %d words", words)
	}
}
