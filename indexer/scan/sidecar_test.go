package scan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shoebox/storage"
)

// sidecarOf is what storage knows of the sidecar of a file.
func (m *memory) sidecarOf(path string) int64 { return m.files[path].Sidecar.Size }

func TestASidecarIsSeenWithItsPictures(t *testing.T) {
	root := t.TempDir()
	store := &memory{files: map[string]storage.KnownFile{}}
	for _, name := range []string{"1.jpg", "1.CR2", "2.jpg", "sub.dir/3.jpg"} {
		write(t, filepath.Join(root, name), "picture")
	}
	for _, step := range []struct {
		name    string
		change  func() error
		changed []string
		sizes   map[string]int64 // of the sidecars, by picture
	}{
		{"none", func() error { return nil }, nil, nil},
		{"that of a stem belongs to all its pictures", func() error { return os.WriteFile(root+"/1.xmp", []byte("1"), 0o644) },
			[]string{"1.jpg", "1.CR2"}, map[string]int64{"1.jpg": 1, "1.CR2": 1}},
		{"that of a whole name comes first", func() error { return os.WriteFile(root+"/1.CR2.xmp", []byte("22"), 0o644) },
			[]string{"1.CR2"}, map[string]int64{"1.jpg": 1, "1.CR2": 2}},
		{"below a folder", func() error { return os.WriteFile(root+"/sub.dir/3.XMP", []byte("333"), 0o644) },
			[]string{"sub.dir/3.jpg"}, map[string]int64{"1.jpg": 1, "1.CR2": 2, "sub.dir/3.jpg": 3}},
		{"a new time only", func() error { return os.Chtimes(root+"/1.xmp", time.Unix(1e9, 0), time.Unix(1e9, 0)) },
			[]string{"1.jpg"}, map[string]int64{"1.jpg": 1, "1.CR2": 2, "sub.dir/3.jpg": 3}},
		{"a folder of that name is none", func() error { return os.Mkdir(root+"/2.xmp", 0o755) },
			nil, map[string]int64{"1.jpg": 1, "1.CR2": 2, "sub.dir/3.jpg": 3}},
		{"removed, so that the other counts", func() error { return os.Remove(root + "/1.CR2.xmp") },
			[]string{"1.CR2"}, map[string]int64{"1.jpg": 1, "1.CR2": 1, "sub.dir/3.jpg": 3}},
		{"left out by a rule", func() error { return os.WriteFile(filepath.Join(root, RulesName), []byte("1.xmp\n"), 0o644) },
			[]string{"1.jpg", "1.CR2"}, map[string]int64{"sub.dir/3.jpg": 3}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if err := step.change(); err != nil {
				t.Fatal(err)
			}
			summary := scanned(t, store, root)
			if summary.Changed != len(step.changed) || summary.Missing+summary.Restored != 0 {
				t.Errorf("the scan saw %+v, want %q changed", summary, step.changed)
			}
			for path := range store.files {
				if got := store.sidecarOf(path); got != step.sizes[path] {
					t.Errorf("the sidecar of %s has %d bytes, want %d", path, got, step.sizes[path])
				}
			}
			writes := store.writes
			if check(t, scanned(t, store, root), Summary{Files: 4, Unchanged: 4}); store.writes != writes {
				t.Error("a scan that found nothing wrote to storage")
			}
		})
	}
}

func TestAHintAtASidecarLooksAtItsPictures(t *testing.T) {
	root := t.TempDir()
	store := &memory{files: map[string]storage.KnownFile{}}
	for _, name := range []string{"1.jpg", "1.CR2", "2.jpg", "sub/1.jpg", "sub/1.xmp"} {
		write(t, filepath.Join(root, name), "picture")
	}
	scanned(t, store, root)
	hint := func(paths ...string) Summary {
		t.Helper()
		summary, err := Paths(t.Context(), store, store.folder(root), paths, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return summary
	}
	write(t, filepath.Join(root, "1.xmp"), "new")
	check(t, hint("1.xmp"), Summary{Files: 2, Changed: 2})
	check(t, hint("1.xmp", "1.jpg", "sub/1.xmp", "nothing.xmp", "gone/1.xmp"), Summary{Files: 3, Unchanged: 3})
	check(t, scanned(t, store, root), Summary{Files: 4, Unchanged: 4})
	if err := errors.Join(os.Remove(filepath.Join(root, "1.xmp")), os.Remove(filepath.Join(root, "sub/1.xmp"))); err != nil {
		t.Fatal(err)
	}
	check(t, hint("1.xmp"), Summary{Files: 2, Changed: 2})
	check(t, hint("sub/1.jpg"), Summary{Files: 1, Changed: 1})
	write(t, filepath.Join(root, RulesName), "*.xmp\n")
	write(t, filepath.Join(root, "2.xmp"), "left out")
	check(t, hint("2.xmp"), Summary{Files: 1, Unchanged: 1})
}

func TestAPictureWaitsUntilItsSidecarRests(t *testing.T) {
	root := t.TempDir()
	store := &memory{files: map[string]storage.KnownFile{}}
	write(t, filepath.Join(root, "1.jpg"), "picture")
	asked := []File{}
	options := Options{Settled: func(file File) bool {
		asked = append(asked, file)
		return len(asked) > 1
	}}
	for range 2 {
		write(t, filepath.Join(root, "1.xmp"), fmt.Sprint(len(asked)))
		info, err := os.Stat(filepath.Join(root, "1.xmp"))
		if err != nil {
			t.Fatal(err)
		}
		summary, err := Folder(t.Context(), store, store.folder(root), options)
		if err != nil {
			t.Fatal(err)
		}
		last := asked[len(asked)-1]
		if last.Changed < info.ModTime().UnixNano() || len(summary.Unsettled)+len(store.files) != 1 {
			t.Errorf("asked about %+v, of a sidecar of %v; %q are unsettled", last, info.ModTime(), summary.Unsettled)
		}
	}
}

// BenchmarkRescan looks through 20,000 known pictures in 20 folders, of which
// none, or each, has a sidecar.
func BenchmarkRescan(b *testing.B) {
	for _, sidecars := range []bool{false, true} {
		b.Run(fmt.Sprintf("sidecars=%v", sidecars), func(b *testing.B) {
			root := b.TempDir()
			const n = 20_000
			for i := range n {
				path := fmt.Sprintf("%s/%d/IMG_%05d", root, i%20, i)
				err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+".jpg", nil, 0o644))
				if sidecars {
					err = errors.Join(err, os.WriteFile(path+".xmp", []byte("x"), 0o644))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			store := &memory{files: map[string]storage.KnownFile{}}
			rescan := func() Summary {
				summary, err := Folder(b.Context(), store, store.folder(root), Options{})
				if err != nil {
					b.Fatal(err)
				}
				return summary
			}
			rescan()
			for b.Loop() {
				if summary := rescan(); summary.Unchanged != n {
					b.Fatalf("the scan saw %+v", summary)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "pictures/s")
		})
	}
}
