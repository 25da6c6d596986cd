package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

func TestCorrectedCaptionsBecomeAFolderToTrainOn(t *testing.T) {
	l := newTestLibrary(t)
	l.database = storagetest.Server(t)
	l.must(exitDone, "migrate")
	root := t.TempDir()
	corrected := map[string]string{
		"astronaut.jpg": "An astronaut | in a suit.",
		"coffee.png":    "My cup of coffee.",
		"chelsea.png":   "Our cat Chelsea.",
	}
	ids := make(map[string]storage.PhotoID)
	for name := range corrected {
		sample := readSample(t, name)
		writeFile(t, filepath.Join(root, name), sample)
		ids[name] = sha256.Sum256(sample)
	}
	writeFile(t, filepath.Join(root, "rocket.jpg"), readSample(t, "rocket.jpg"))
	l.must(exitDone, "index", root)

	dir := filepath.Join(t.TempDir(), "mine")
	if out := l.must(exitFailed, "export-training", dir); !strings.Contains(out.stderr, "no photo has a caption that a person wrote") {
		t.Errorf("before any edit it says %q", out.stderr)
	}
	l.edit(ids, corrected)
	if out := l.must(exitDone, "export-training", dir); !strings.HasPrefix(out.stdout, "3 photos copied to "+dir) {
		t.Errorf("it says %q", out.stdout)
	}
	l.checkExported(dir, ids, corrected)
	if out := l.must(exitFailed, "export-training", dir); !strings.Contains(out.stderr, "is not empty") {
		t.Errorf("the second time it says %q", out.stderr)
	}

	// A photo that was deleted since is named, and the others are there.
	gone := filepath.Join(root, "coffee.png")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	delete(corrected, "coffee.png")
	second := t.TempDir()
	out := l.must(exitSomeFailed, "export-training", second)
	if !strings.Contains(out.stderr, `"My cup of coffee."`) || !strings.Contains(out.stderr, gone) {
		t.Errorf("of a photo that is gone it says %q", out.stderr)
	}
	l.checkExported(second, ids, corrected)
}

// edit gives photos captions as a person would.
func (l *testLibrary) edit(ids map[string]storage.PhotoID, captions map[string]string) {
	l.t.Helper()
	store, err := postgres.Open(l.t.Context(), l.database)
	if err != nil {
		l.t.Fatal(err)
	}
	defer store.Close()
	for name, caption := range captions {
		if err := store.EditCaption(l.t.Context(), ids[name], caption); err != nil {
			l.t.Fatal(err)
		}
	}
}

// checkExported wants the layout of Flickr30K with these captions by name of
// the original.
func (l *testLibrary) checkExported(dir string, ids map[string]storage.PhotoID, captions map[string]string) {
	l.t.Helper()
	read := func(name string) []string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			l.t.Fatal(err)
		}
		return strings.Fields(strings.ReplaceAll(string(text), " ", "_"))
	}
	rows, names := []string{"image_name|_comment_number|_comment"}, []string(nil)
	for original, caption := range captions {
		name := fmt.Sprintf("%.16s%s", ids[original], filepath.Ext(original))
		names = append(names, name)
		rows = append(rows, name+"|_0|_"+strings.ReplaceAll(caption, " ", "_"))
		copied, err := os.ReadFile(filepath.Join(dir, "flickr30k_images", name))
		if err != nil || !slices.Equal(copied, readSample(l.t, original)) {
			l.t.Errorf("%s is no copy of %s: %v", name, original, err)
		}
	}
	got := read("results.csv")
	slices.Sort(got[1:])
	slices.Sort(rows[1:])
	if !slices.Equal(got, rows) {
		l.t.Errorf("the table is %q, want %q", got, rows)
	}
	listed := append(read("train.txt"), read("val.txt")...)
	slices.Sort(listed)
	slices.Sort(names)
	if !slices.Equal(listed, names) {
		l.t.Errorf("train.txt and val.txt list %q, want %q", listed, names)
	}
}
