package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRealCameraFilesEndAsTheManifestLists indexes the camera files of
// ../shared and compares each file's outcome with the manifest, which was
// made by looking at the files.
func TestRealCameraFilesEndAsTheManifestLists(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "photos", "exif-samples"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); err != nil {
		t.Skip("needs ../shared/photos/exif-samples")
	}
	want := readManifest(t)
	l := newTestLibrary(t)
	code := exitDone
	for _, outcome := range want {
		if strings.HasPrefix(outcome, "failed") {
			code = exitSomeFailed
		}
	}
	out := l.must(code, "index", root)

	got := make(map[string]string)
	for path, code := range l.failures(root) {
		got[path] = "failed " + code
		if code == "unsupported" {
			got[path] = "unsupported"
		}
	}
	captioned, damaged := 0, 0
	for path, outcome := range want {
		switch outcome {
		case "captioned damaged":
			damaged++
			captioned++
		case "captioned":
			captioned++
		case "ignored":
		default:
			if got[path] != outcome {
				t.Errorf("%s: %q, want %q", path, got[path], outcome)
			}
			delete(got, path)
		}
	}
	for path, outcome := range got {
		t.Errorf("%s: %q, want %q", path, outcome, want[path])
	}
	if s := l.status(); s.Files.Done != captioned {
		t.Errorf("%d files are captioned, want %d", s.Files.Done, captioned)
	}
	if damaged > 0 && !strings.Contains(out.stdout, fmt.Sprintf("%d damaged files", damaged)) {
		t.Errorf("want %d damaged files in\n%s", damaged, out.stdout)
	}
	if hits := l.search("camera:canon"); len(hits) == 0 {
		t.Error("no photo of a Canon is found")
	}

	started := time.Now()
	again := l.must(code, "index", root)
	if !strings.Contains(again.stdout, " 0 captioned now") {
		t.Errorf("the second run did something:\n%s", again.stdout)
	}
	t.Logf("the second run took %s", time.Since(started))
}

func readManifest(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "exif-samples.manifest"))
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		if outcome, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && !strings.HasPrefix(line, "#") {
			outcomes[path] = outcome
		}
	}
	return outcomes
}
