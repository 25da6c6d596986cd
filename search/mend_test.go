package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestASegmentThatCannotEvenBeOpenedIsBuiltAgain(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 50)
	for back := 40; back < 700; back += 60 {
		dir := t.TempDir()
		if _, err := CatchUp(t.Context(), dir, feed); err != nil {
			t.Fatal(err)
		}
		path := indexFile(t, dir, "store/*.zap")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-back] ^= 0xff
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		ix, err := OpenWriter(dir)
		if err != nil {
			t.Fatalf("%d bytes before the end: %v", back, err)
		}
		// Damage that shows at once is mended; the other is met by a search.
		_, _ = ix.Info(t.Context())
		if _, err := ix.Project(t.Context(), feed); err != nil {
			t.Errorf("%d bytes before the end: %v", back, err)
		}
		if err := ix.Close(); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes before the end: %v", back, err)
		}
	}
}

func TestCloseEndsAProjectionAndChangesNothing(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 2500)
	dir := t.TempDir()
	ix, err := OpenWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	project(t, ix, feed)
	current, err := currentGeneration(dir)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	reads := 0
	feed.before = func() error {
		if reads++; reads == 2 { // in the middle of building
			go func() { closed <- ix.Close() }()
			<-ix.closing.Done()
		}
		return nil
	}
	if _, err := ix.Rebuild(context.Background(), feed); !errors.Is(err, context.Canceled) {
		t.Errorf("Rebuild() = %v, want that it was ended", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v", err)
	}
	if now, err := currentGeneration(dir); err != nil || now != current {
		t.Errorf("the index is %s (%v), was %s", now, err, current)
	}
	feed.before = nil
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	expect(t, s, feed)
}

func TestWhatBleveCouldNotWriteAtFirstIsFoundLater(t *testing.T) {
	feed := newFakeFeed()
	numbered(feed, 0, 10)
	dir := t.TempDir()
	ix, err := OpenWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	project(t, ix, feed)
	// Folders lie where the next segments would be written.
	var inTheWay []string
	for n := range 200 {
		path := filepath.Join(ix.live.store(), fmt.Sprintf("%012x.zap", n))
		// Bleve removes what it does not know, but no folder that holds something.
		if _, err := os.Stat(path); err == nil {
			continue
		}
		full := filepath.Join(t.TempDir(), "full")
		if err := errors.Join(os.MkdirAll(filepath.Join(full, "x"), 0o700), os.Rename(full, path)); err != nil {
			t.Fatal(err)
		}
		inTheWay = append(inTheWay, path)
	}
	numbered(feed, 10, 20)
	if _, err := ix.Project(t.Context(), feed); err == nil {
		t.Fatal("nothing failed")
	}
	for _, path := range inTheWay {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	numbered(feed, 20, 30)
	project(t, ix, feed)
	expect(t, ix, feed)
}
