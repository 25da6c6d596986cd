package main

import (
	"bufio"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPausedLibraryTakesNothingNewUntilItIsResumed(t *testing.T) {
	l := newTestLibrary(t)
	root := filepath.Join(filepath.Dir(l.data), "photos")
	const photos = 12
	writeLibrary(t, root, photos)
	if said := l.must(exitDone, "resume").stderr; !strings.Contains(said, "nothing is paused") {
		t.Errorf("resume says %q", said)
	}
	l.must(exitDone, "pause")
	if said := l.must(exitDone, "pause").stderr; !strings.Contains(said, "paused already since") {
		t.Errorf("a second pause says %q", said)
	}
	if said := l.must(exitDone, "status").stdout; !strings.Contains(said, "paused since") {
		t.Errorf("status says %q", said)
	}

	index := l.command(t.Context(), "index", root)
	stderr, err := index.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := index.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	said := false
	for !said && lines.Scan() {
		said = strings.Contains(lines.Text(), pauseSaid)
	}
	if !said {
		t.Fatalf("index ended without saying that it is paused: %v", lines.Err())
	}
	if s := l.status(); s.PausedSince == nil || s.Files.Pending != photos || s.Files.Leased+s.Files.Done != 0 {
		t.Errorf("while it waits the status is %+v", s)
	}
	l.must(exitDone, "resume")
	for lines.Scan() {
		continue
	}
	if err := index.Wait(); err != nil {
		t.Errorf("index ends with %v", err)
	}
	if s := l.status(); s.PausedSince != nil || s.Files.Done != photos {
		t.Errorf("then the status is %+v", s)
	}
}
