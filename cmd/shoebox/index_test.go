package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shoebox/captioner/picture"
	"shoebox/search"
)

var samplePhotos = filepath.Join("..", "..", "testdata", "photos")

// samples lists the sample photos, relative to their folder.
func samples(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(samplePhotos)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if picture.IsPictureName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

func (l *testLibrary) search(args ...string) []search.Hit {
	l.t.Helper()
	return lines[search.Hit](l.t, l.must(exitDone, append([]string{"search", "--json"}, args...)...).stdout)
}

func TestFromAFolderOfPhotosToACaptionSearch(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	out := l.must(exitDone, "index", samplePhotos)
	n := len(samples(t))
	if want := fmt.Sprintf("%d pictures, %d captioned now", n, n); !strings.Contains(out.stdout, want) {
		t.Errorf("index printed %q, want %q in it", out.stdout, want)
	}
	if !strings.Contains(out.stdout, `search "two dogs in the snow"`) {
		t.Error("index does not say what to type next")
	}

	// Flags may stand behind the query, and -word needs no quotes.
	all := l.search("a")
	if len(all) == 0 || len(l.search("a", "-a")) != 0 {
		t.Errorf("%d photos have an a in their caption, -a leaves some of them", len(all))
	}
	if got := lines[search.Hit](t, l.must(exitDone, "search", "a", "--json", "--limit", "1").stdout); len(got) != 1 {
		t.Errorf("--limit 1 behind the query gives %d photos", len(got))
	}

	// Each photo is found by each word of its caption.
	absolute, _ := filepath.Abs(samplePhotos)
	captions := l.captions(samplePhotos)
	if len(captions) != n {
		t.Fatalf("caption --json printed %d lines, want %d", len(captions), n)
	}
	for name, caption := range captions {
		hits := l.search("--limit", "100", strings.TrimSuffix(caption, "."))
		if !containsPath(hits, filepath.Join(absolute, name)) {
			t.Errorf("%s is not found by its caption %q", name, caption)
		}
	}

	status := l.status()
	if status.Photos != n || status.Files.Done != n || status.Index.Photos != n || status.Index.Behind || status.Index.Problem != "" {
		t.Errorf("status is %+v, want %d photos everywhere", status, n)
	}
	if got := lines[folderReport](t, l.must(exitDone, "folders", "--json").stdout); len(got) != 1 || got[0].Path != absolute {
		t.Errorf("folders are %+v", got)
	}

	again := l.must(exitDone, "index", samplePhotos)
	if !strings.Contains(again.stdout, " 0 captioned now") {
		t.Errorf("the second run printed %q", again.stdout)
	}

	l.must(exitDone, "folders", "forget", samplePhotos)
	if s := l.status(); s.Index.Photos != 0 || len(s.Folders) != 0 {
		t.Errorf("after forgetting the folder: %+v", s)
	}
}

// captions runs `caption --json` over the pictures of a folder.
func (l *testLibrary) captions(dir string) map[string]string {
	l.t.Helper()
	args := []string{"caption", "--json"}
	for _, name := range samples(l.t) {
		args = append(args, filepath.Join(dir, name))
	}
	captions := make(map[string]string)
	for _, line := range lines[captionLine](l.t, l.must(exitDone, args...).stdout) {
		captions[filepath.Base(line.Path)] = line.Caption
	}
	return captions
}

func containsPath(hits []search.Hit, path string) bool {
	for _, h := range hits {
		for _, p := range h.Paths {
			if p == path {
				return true
			}
		}
	}
	return false
}

func TestSearchJSONIsTheContract(t *testing.T) {
	l := newTestLibrary(t)
	root := t.TempDir()
	odd := "odd\xff\nname.jpg"
	writeFile(t, filepath.Join(root, odd), readSample(t, "astronaut.jpg"))
	writeFile(t, filepath.Join(root, "grace.jpg"), readSample(t, "grace_hopper.jpg"))
	l.must(exitDone, "index", root)

	var objects []map[string]any
	for _, q := range []string{l.words(filepath.Join(root, odd)), l.words(filepath.Join(root, "grace.jpg"))} {
		objects = append(objects, lines[map[string]any](t, l.must(exitDone, "search", "--json", q).stdout)...)
	}
	if len(objects) < 2 {
		t.Fatalf("found %d photos, want 2 or more", len(objects))
	}
	for _, o := range objects {
		for _, field := range []string{"path", "paths", "caption", "score", "unsure", "width", "height", "photo"} {
			if _, ok := o[field]; !ok {
				t.Errorf("a result has no %q: %v", field, o)
			}
		}
		if id, _ := o["photo"].(string); len(id) != 64 {
			t.Errorf("photo is %q, want the SHA-256 in hexadecimal", id)
		}
		if taken, ok := o["taken_at"].(string); ok {
			if _, err := time.Parse(time.RFC3339, taken); err != nil {
				t.Errorf("taken_at: %v", err)
			}
		}
	}
	found := false
	for _, o := range objects {
		if exact, ok := o["path_b64"].(string); ok {
			var path []byte
			if err := json.Unmarshal([]byte(`"`+exact+`"`), &path); err != nil || string(path) != filepath.Join(root, odd) {
				t.Errorf("path_b64 is %q, want the bytes of %q", path, filepath.Join(root, odd))
			}
			found = true
		}
	}
	if !found {
		t.Error("the path that is not UTF-8 has no path_b64")
	}
}

// words captions a file and returns the caption as a query.
func (l *testLibrary) words(path string) string {
	l.t.Helper()
	return strings.TrimSuffix(lines[captionLine](l.t, l.must(exitDone, "caption", "--json", path).stdout)[0].Caption, ".")
}

func TestWrongUseAndFailuresHaveTheirExitCodes(t *testing.T) {
	l := newTestLibrary(t)
	cases := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"an unknown command", []string{"indx"}, exitUsage, "unknown command"},
		{"an unknown flag", []string{"index", "--fast", "x"}, exitUsage, "unknown flag"},
		{"no folder", []string{"index"}, exitUsage, "at least 1 arg"},
		{"a folder that is not there", []string{"index", "/nonexistent/photos"}, exitFailed, "/nonexistent/photos: no such file"},
		{"a file where a folder belongs", []string{"index", filepath.Join(samplePhotos, "astronaut.jpg")}, exitFailed, "shoebox caption"},
		{"search before index", []string{"search", "dog"}, exitFailed, "shoebox index"},
		{"a query that cannot be read", []string{"search", `"two dogs`}, exitUsage, "missing closing quote"},
		{"no photo at all", []string{"caption", "/nonexistent.jpg"}, exitFailed, "/nonexistent.jpg: no such file"},
		{"one photo of two", []string{"caption", "/nonexistent.jpg", filepath.Join(samplePhotos, "astronaut.jpg")}, exitSomeFailed, "1 of 2 files failed"},
		{"a model that is none", []string{"caption", "--model", t.TempDir(), "x.jpg"}, exitFailed, "model.json"},
		{"forgetting what is not indexed", []string{"folders", "forget", "/tmp"}, exitFailed, "not indexed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out := l.run(c.args...)
			if out.code != c.code || !strings.Contains(out.stderr, c.says) {
				t.Errorf("exit code %d, want %d; it says\n%s\nwant %q", out.code, c.code, out.stderr, c.says)
			}
		})
	}
}

func TestCaptionReadsStandardInput(t *testing.T) {
	l := newTestLibrary(t)
	file, err := os.Open(filepath.Join(samplePhotos, "astronaut.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := l.command(t.Context(), "caption", "--json", "-")
	cmd.Stdin = file
	out := l.finish(cmd)
	got := lines[captionLine](t, out.stdout)
	if out.code != exitDone || len(got) != 1 || got[0].Path != "-" || got[0].Caption == "" {
		t.Errorf("exit code %d, %q %q", out.code, out.stdout, out.stderr)
	}
}

func TestSettingsComeFromFlagThenVariableThenFile(t *testing.T) {
	l := newTestLibrary(t)
	elsewhere := filepath.Join(filepath.Dir(l.data), "elsewhere")
	cmd := l.command(t.Context(), "search", "--data", elsewhere, "dog")
	if out := l.finish(cmd); !strings.Contains(out.stderr, elsewhere) {
		t.Errorf("--data was not used: %s", out.stderr)
	}
	if out := l.run("search", "dog"); !strings.Contains(out.stderr, l.data) {
		t.Errorf("SHOEBOX_DATA was not used: %s", out.stderr)
	}
	cmd = l.command(t.Context(), "search", "dog")
	cmd.Env = append(cmd.Env, "SHOEBOX_LIMIT=none")
	if out := l.finish(cmd); out.code != exitUsage || !strings.Contains(out.stderr, "SHOEBOX_LIMIT") {
		t.Errorf("a variable that cannot be read: exit code %d, %s", out.code, out.stderr)
	}
}
