package flickr30k

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoebox/storage"
)

// photo writes a file and returns an edit of it.
func photo(t *testing.T, path, content, caption string) storage.Edit {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o444); err != nil {
		t.Fatal(err)
	}
	return storage.Edit{Photo: sha256.Sum256([]byte(content)), Caption: caption, Paths: []string{path}}
}

func each(edits ...storage.Edit) iter.Seq2[storage.Edit, error] {
	return func(yield func(storage.Edit, error) bool) {
		for _, edit := range edits {
			if !yield(edit, nil) {
				return
			}
		}
	}
}

func write(t *testing.T, dir string, edits ...storage.Edit) Written {
	t.Helper()
	written, err := Write(t.Context(), dir, each(edits...), 1)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func lines(t *testing.T, path ...string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func TestPhotosAndCaptionsAreWrittenAsFlickr30KHasThem(t *testing.T) {
	from, dir := t.TempDir(), filepath.Join(t.TempDir(), "new", "folder")
	bo := photo(t, filepath.Join(from, "IMG_1.JPG"), "bo", "Bo | the dog\nin  the garden.")
	anna := photo(t, filepath.Join(from, "anna.png"), "anna", "Anna at the beach.")
	got := write(t, dir, bo, anna)
	if got.Train != 1 || got.Val != 1 || len(got.Absent) != 0 {
		t.Errorf("got %+v", got)
	}
	names := []string{bo.Photo.String()[:16] + ".jpg", anna.Photo.String()[:16] + ".png"}
	want := []string{
		"image_name| comment_number| comment",
		names[0] + "| 0| Bo | the dog in the garden.",
		names[1] + "| 0| Anna at the beach.",
	}
	if rows := lines(t, dir, "results.csv"); !slices.Equal(rows, want) {
		t.Errorf("the table is %q, want %q", rows, want)
	}
	listed := append(lines(t, dir, "train.txt"), lines(t, dir, "val.txt")...)
	slices.Sort(listed)
	slices.Sort(names)
	if !slices.Equal(listed, names) {
		t.Errorf("listed %q, want %q", listed, names)
	}
	for i, content := range []string{"bo", "anna"} {
		edit := []storage.Edit{bo, anna}[i]
		name := edit.Photo.String()[:16] + strings.ToLower(filepath.Ext(edit.Paths[0]))
		copied := filepath.Join(dir, "flickr30k_images", name)
		if lines(t, copied)[0] != content {
			t.Errorf("%s holds something else", name)
		}
		// A program that writes into the folder must not reach the library.
		if err := os.WriteFile(copied, []byte("changed"), 0o644); err != nil {
			t.Fatal(err)
		}
		if lines(t, edit.Paths[0])[0] != content {
			t.Errorf("%s is the original, not a copy", name)
		}
	}
}

func TestCaptionsWhosePhotoIsGoneOrChangedAreNamed(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	moved := photo(t, filepath.Join(from, "moved.jpg"), "moved", "It has another file.")
	moved.Paths = append([]string{filepath.Join(from, "gone too.jpg")}, moved.Paths...)
	gone := storage.Edit{Photo: sha256.Sum256([]byte("gone")), Caption: "It is gone.", Paths: []string{filepath.Join(from, "gone.jpg")}}
	nowhere := storage.Edit{Photo: sha256.Sum256([]byte("nowhere")), Caption: "It never had one."}
	changed := photo(t, filepath.Join(from, "changed.jpg"), "now another", "It changed.")
	changed.Photo = sha256.Sum256([]byte("before"))
	emptied := photo(t, filepath.Join(from, "emptied.jpg"), "emptied", " \n")
	got := write(t, dir, moved, gone, nowhere, changed, emptied)
	if got.Train != 1 || got.Val != 0 || got.Empty != 1 || len(got.Absent) != 3 {
		t.Fatalf("got %+v", got)
	}
	if !errors.Is(got.Absent[0].Reason, fs.ErrNotExist) || !errors.Is(got.Absent[1].Reason, fs.ErrNotExist) {
		t.Errorf("of photos that are gone it says %v, %v", got.Absent[0].Reason, got.Absent[1].Reason)
	}
	if says := got.Absent[2].Reason.Error(); !strings.Contains(says, "changed.jpg has changed") {
		t.Errorf("of a photo that changed it says %s", says)
	}
	if rows := lines(t, dir, "results.csv"); len(rows) != 2 {
		t.Errorf("the table is %q", rows)
	}
}

func TestAFolderThatHoldsSomethingIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	edit := photo(t, filepath.Join(dir, "photo.jpg"), "photo", "A photo.")
	_, err := Write(t.Context(), dir, each(edit), 1)
	if err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("it says %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder now holds %v, %v", entries, err)
	}
}

func TestAfterAnErrorTheFolderIsEmpty(t *testing.T) {
	edit := photo(t, filepath.Join(t.TempDir(), "photo.jpg"), "photo", "A photo.")
	stopped, stop := context.WithCancel(t.Context())
	stop()
	broken := errors.New("the database is gone")
	breaks := func(yield func(storage.Edit, error) bool) {
		_ = yield(edit, nil) && yield(storage.Edit{}, broken)
	}
	for _, c := range []struct {
		name  string
		ctx   context.Context
		edits iter.Seq2[storage.Edit, error]
		want  error
	}{
		{"nothing was edited", t.Context(), each(), ErrNothing},
		{"it is stopped", stopped, each(edit), context.Canceled},
		{"the list of edits breaks off", t.Context(), breaks, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Write(c.ctx, dir, c.edits, 1); !errors.Is(err, c.want) {
				t.Errorf("it says %v, want %v", err, c.want)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
				t.Errorf("the folder holds %v, %v", entries, err)
			}
		})
	}
}

func captions(n int, text func(i int) string) []captioned {
	var all []captioned
	for i := range n {
		all = append(all, captioned{fmt.Sprintf("%04d.jpg", i), text(i)})
	}
	return all
}

func TestATenthIsForMeasuringAndASeedDecidesWhich(t *testing.T) {
	all := captions(1000, func(i int) string { return fmt.Sprintf("Photo %d.", i) })
	learnt, measured := split(all, 1)
	if len(measured) != 100 || len(learnt) != 900 {
		t.Errorf("%d to learn from, %d to measure on", len(learnt), len(measured))
	}
	if _, again := split(all, 1); !slices.Equal(measured, again) {
		t.Error("the same seed splits otherwise")
	}
	if _, other := split(all, 2); slices.Equal(measured, other) {
		t.Error("another seed splits alike")
	}
	// The library grows by half.
	_, later := split(captions(1500, func(i int) string { return fmt.Sprintf("Photo %d.", i) }), 1)
	stayed := 0
	for _, c := range measured {
		if slices.Contains(later, c) {
			stayed++
		}
	}
	if stayed < 80 {
		t.Errorf("of 100 photos to measure on %d are still such", stayed)
	}
}

func TestPhotosWithTheSameWordsStayTogether(t *testing.T) {
	texts := []string{"Anna at the beach.", "anna, at the beach", "Bo.", "BO", "The garden", "the garden!"}
	all := captions(60, func(i int) string { return texts[i%len(texts)] })
	learnt, measured := split(all, 1)
	side := make(map[string]int)
	for _, c := range learnt {
		side[words(c.caption)] |= 1
	}
	for _, c := range measured {
		side[words(c.caption)] |= 2
	}
	if len(measured) == 0 || len(side) != 3 {
		t.Fatalf("%d to measure on, sides %v", len(measured), side)
	}
	for text, on := range side {
		if on == 3 {
			t.Errorf("%q is on both sides", text)
		}
	}
}

func TestThereIsAlwaysSomethingToLearnFrom(t *testing.T) {
	for n := 1; n < 5; n++ {
		learnt, measured := split(captions(n, func(int) string { return "The same." }), 1)
		if len(learnt) != n || len(measured) != 0 {
			t.Errorf("of %d: %d to learn from, %d to measure on", n, len(learnt), len(measured))
		}
	}
}
