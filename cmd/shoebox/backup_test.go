package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoebox/storage"
	"shoebox/storage/postgres"
)

// editPhoto writes a caption as a person would. There is no command for it: it is
// done in the private database, which runs for as long as some command does.
func (l *testLibrary) editPhoto(photo, caption string) {
	l.t.Helper()
	watch := l.begin(l.command(l.t.Context(), "work"))
	defer func() { watch.cmd.Process.Kill(); <-watch.ended }()
	var store *postgres.Store
	watch.await("the database", func() bool {
		var err error
		store, err = postgres.Open(l.t.Context(), "postgres://shoebox@/shoebox?sslmode=disable&host="+filepath.Join(l.data, "postgres", "data"))
		return err == nil
	})
	defer store.Close()
	id, err := storage.ParsePhotoID(photo)
	if err == nil {
		err = store.EditCaption(l.t.Context(), id, caption)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func TestABackupBringsEverythingBackOnAnotherMachine(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	const photos = 8
	writeLibrary(t, root, photos)
	writeFile(t, filepath.Join(root, "broken.jpg"), []byte("no picture"))
	writeFile(t, filepath.Join(root, "odd\xff\n.jpg"), readSample(t, "grace_hopper.jpg"))
	l.must(exitSomeFailed, "index", root)
	first := lines[map[string]any](t, l.must(exitDone, "export").stdout)[0]
	l.editPhoto(first["photo"].(string), "Bo, \"the dog\",\nat home.")
	l.must(exitSomeFailed, "index", root)

	// By themselves, the edits are in the data folder.
	saved, err := filepath.Glob(filepath.Join(l.data, "edits", "*.jsonl"))
	if err != nil || len(saved) != 1 {
		t.Fatalf("saved edits: %q, %v", saved, err)
	}
	if text, err := os.ReadFile(saved[0]); err != nil || !strings.Contains(string(text), `"caption":"Bo, \"the dog\",\nat home."`) {
		t.Errorf("the saved edits are %s, %v", text, err)
	}

	file := filepath.Join(t.TempDir(), "photos.backup")
	for range 2 { // the second replaces the first
		l.must(exitDone, "backup", file)
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("beside the backup are %v, %v", entries, err)
	}
	other := newTestLibrary(t)
	other.must(exitDone, "restore", file)
	if was, is := l.must(exitDone, "export").stdout, other.must(exitDone, "export").stdout; was != is || !strings.Contains(is, "the dog") {
		t.Errorf("exported before %s\nand after %s", was, is)
	}
	if was, is := l.failures(root), other.failures(root); !maps.Equal(was, is) || len(is) != 1 {
		t.Errorf("failures before %v, after %v", was, is)
	}
	if hits := other.search("dog home"); len(hits) != 1 || hits[0].Photo != first["photo"] {
		t.Errorf("search finds %+v", hits)
	}
	if got := other.verify(exitDone); len(got) != 0 {
		t.Errorf("differences: %v", got)
	}
	// Nothing is captioned again, and nothing is mixed.
	if out := other.must(exitSomeFailed, "index", root); !strings.Contains(out.stdout, " 0 captioned now") {
		t.Errorf("index says %s", out.stdout)
	}
	if out := other.must(exitFailed, "restore", file); !strings.Contains(out.stderr, "not empty") || !strings.Contains(out.stderr, "--data") {
		t.Errorf("a second restore says %s", out.stderr)
	}

	// Through a pipe.
	third := newTestLibrary(t)
	third.must(exitDone, "status") // a database of this version, empty
	restore := third.command(t.Context(), "restore", "-")
	restore.Stdin = strings.NewReader(l.must(exitDone, "backup", "-").stdout)
	if out := third.finish(restore); out.code != exitDone {
		t.Errorf("from standard input: %s", out.stderr)
	}
	if s := third.status(); s.Photos != photos+1 || s.Index.Photos != photos+1 {
		t.Errorf("then the status is %+v", s)
	}
}

func TestABackupNeverReplacesAnotherFile(t *testing.T) {
	l := newTestLibrary(t)
	photo := filepath.Join(t.TempDir(), "photo.jpg")
	data := readSample(t, "astronaut.jpg")
	writeFile(t, photo, data)
	l.must(exitUsage, "backup", photo)
	if after, err := os.ReadFile(photo); err != nil || !bytes.Equal(after, data) {
		t.Errorf("the photo has %d bytes, %v", len(after), err)
	}
	l.must(exitFailed, "restore", photo)
	l.must(exitFailed, "restore", photo+".none")
	l.must(exitFailed, "backup", filepath.Join(photo+".none", "backup"))
}

func TestExportHasTheFieldsOfSearchAndMore(t *testing.T) {
	l := newTestLibrary(t)
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.jpg"), readSample(t, "astronaut.jpg"))
	writeFile(t, filepath.Join(root, "copy, with \"quotes\"\n\xff.jpg"), readSample(t, "astronaut.jpg"))
	l.must(exitDone, "index", root)
	exported := lines[map[string]any](t, l.must(exitDone, "export").stdout)
	found := lines[map[string]any](t, l.must(exitDone, "search", "--json", l.words(filepath.Join(root, "a.jpg"))).stdout)
	if len(exported) != 1 || len(found) != 1 {
		t.Fatalf("exported %v, found %v", exported, found)
	}
	ofTheQuery := []string{"why", "possible", "relevance", "marks"}
	for field, want := range found[0] {
		if got := exported[0][field]; !slices.Contains(ofTheQuery, field) && !equalJSON(got, want) {
			t.Errorf("%s is %v, in search %v", field, got, want)
		}
	}
	if format := exported[0]["format"]; format != "jpeg" {
		t.Errorf("the format is %v", format)
	}
	if others, _ := exported[0]["others"].([]any); len(others) == 0 {
		t.Errorf("the other captions are %v", exported[0]["others"])
	}
	if model, _ := exported[0]["model"].(string); len(model) != 64 {
		t.Errorf("the model is %v", exported[0]["model"])
	}

	rows, err := csv.NewReader(strings.NewReader(l.must(exitDone, "export", "--format", "csv").stdout)).ReadAll()
	if err != nil || len(rows) != 3 || !slices.Equal(rows[0], csvColumns) {
		t.Fatalf("as CSV: %q, %v", rows, err)
	}
	for i, name := range []string{"a.jpg", "copy, with \"quotes\"\n\xff.jpg"} {
		if rows[i+1][0] != filepath.Join(root, name) || rows[i+1][2] != exported[0]["caption"] {
			t.Errorf("row %d is %q", i+1, rows[i+1])
		}
	}
	l.must(exitUsage, "export", "--format", "xml")
}

func equalJSON(a, b any) bool {
	one, _ := json.Marshal(a)
	other, _ := json.Marshal(b)
	return bytes.Equal(one, other)
}
