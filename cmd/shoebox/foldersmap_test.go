package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoebox/search"
)

func TestAMappedFolderIsShownBySearchWhereItIs(t *testing.T) {
	l := newTestLibrary(t)
	stored, local := filepath.Join(t.TempDir(), "volume1"), filepath.Join(t.TempDir(), "mnt")
	const photos = 6
	writeLibrary(t, stored, photos)
	l.must(exitDone, "index", stored)
	if err := errors.Join(os.Rename(stored, local), os.Mkdir(stored, 0o755)); err != nil {
		t.Fatal(err)
	}
	out := l.must(exitDone, "folders", "map", stored, local)
	if !strings.Contains(out.stdout, "built again from 6 photos") {
		t.Errorf("map says %q", out.stdout)
	}
	if got := l.verify(exitDone); len(got) != 0 {
		t.Errorf("differences are %v", got)
	}

	holder, err := search.OpenWriter(filepath.Join(l.data, "search"))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	out = l.must(exitFailed, "folders", "map", stored, stored)
	if !strings.Contains(out.stderr, "end it, then `shoebox reindex`") {
		t.Errorf("while another holds the index, map says %q", out.stderr)
	}
}

func TestMappingAFolderMakesNoIndexWhereThereIsNone(t *testing.T) {
	l := newTestLibrary(t)
	stored, local := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(stored, "a.jpg"), readSample(t, "astronaut.jpg"))
	l.must(exitDone, "index", stored)
	if err := os.RemoveAll(filepath.Join(l.data, "search")); err != nil {
		t.Fatal(err)
	}
	l.must(exitDone, "folders", "map", stored, local)
	if _, err := os.Stat(filepath.Join(l.data, "search")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the index is there: %v", err)
	}
}
