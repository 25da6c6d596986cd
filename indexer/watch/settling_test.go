package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"shoebox/indexer/scan"
	"shoebox/storage"
)

func TestAFileIsTakenUpWhenItHasComeToRest(t *testing.T) {
	// A look at the file: when, its size then, and when it last changed; all
	// in seconds after the first look.
	type look struct {
		at      int
		size    int64
		changed int
		want    bool
	}
	cases := []struct {
		name  string
		looks []look
	}{
		{"it has not changed for long", []look{{0, 1, -2, true}}},
		{"it has just changed", []look{{0, 1, -1, false}, {1, 1, -1, true}}},
		{"it is being written", []look{{0, 1, 0, false}, {1, 2, 1, false}, {2, 3, 2, false}, {4, 3, 2, true}}},
		{"it never rests", []look{{0, 1, 0, false}, {5, 2, 5, false}, {9, 3, 9, false}, {10, 4, 10, true}, {11, 5, 11, false}, {21, 6, 21, true}}},
		{"a clock that is ahead by an hour", []look{{0, 1, 3600, false}, {1, 1, 3600, false}, {2, 1, 3600, true}}},
		{"the same while it is written", []look{{0, 1, 3600, false}, {1, 2, 3601, false}, {2, 2, 3601, false}, {3, 2, 3601, true}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, "a.jpg"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			s := settling{root: root, quiet: 2 * time.Second, limit: 10 * time.Second}
			second := func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) }
			for _, l := range c.looks {
				file := scan.File{FileStat: storage.FileStat{Path: "a.jpg", Size: l.size}, Changed: second(l.changed).UnixNano()}
				if got := s.settled(file, second(l.at)); got != l.want {
					t.Errorf("after %d s: %v, want %v", l.at, got, l.want)
				}
			}
		})
	}
}

func TestAFileThatDoesNotOpenIsWaitedForUpToTheLimit(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink("a.jpg", filepath.Join(root, "a.jpg")); err != nil { // to itself
		t.Fatal(err)
	}
	s := settling{root: root, quiet: 2 * time.Second, limit: 10 * time.Second}
	file := scan.File{FileStat: storage.FileStat{Path: "a.jpg"}, Changed: now.Add(-time.Hour).UnixNano()}
	for _, look := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {5 * time.Second, false}, {10 * time.Second, true}} {
		if got := s.settled(file, now.Add(look.after)); got != look.want {
			t.Errorf("after %v: %v, want %v", look.after, got, look.want)
		}
	}
}

func TestFilesThatWentBeforeTheyCameToRestAreForgotten(t *testing.T) {
	s := settling{root: t.TempDir(), quiet: time.Second, limit: time.Second}
	s.settled(scan.File{FileStat: storage.FileStat{Path: "gone.jpg"}, Changed: now.UnixNano()}, now)
	s.forget(now.Add(time.Second))
	if len(s.files) != 1 {
		t.Error("forgotten at once")
	}
	s.forget(now.Add(time.Minute))
	if len(s.files) != 0 {
		t.Error("still remembered")
	}
}
