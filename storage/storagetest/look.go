package storagetest

import (
	"errors"
	"slices"

	"shoebox/storage"
)

// lookTests are about looks at parts of a folder and how a folder is watched.
var lookTests = []test{
	{"what is known below a subfolder is streamed in order, and nothing else", func(l *library) {
		names := append(hardNames(), "b/a", "b/a/1", "b/a/2/3", "b/a-", "b/a.jpg", "b/a0", "b/a/\xff\xff", "c")
		l.scan(names...)
		for _, dir := range []string{"b/a", "b", "🐕", "nothing", "c"} {
			var got, want []string
			for file, err := range l.store.KnownBelow(l.Context(), l.folder.ID, dir) {
				l.must(err)
				got = append(got, file.Path)
			}
			for _, name := range names {
				if len(name) > len(dir) && name[:len(dir)+1] == dir+"/" {
					want = append(want, name)
				}
			}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				l.Errorf("below %q: %q, want %q", dir, got, want)
			}
		}
	}},
	{"single files are found by path, and the folders among the paths", func(l *library) {
		names := append(hardNames(), "b/a", "b/a/1", "gone/1", "other/1")
		l.scan(names...)
		l.lose("gone/1")
		files, parents, err := l.store.KnownAt(l.Context(), l.folder.ID, append(names, "b", "gone", "other", "nothing"))
		l.must(err)
		var got []string
		for _, file := range files {
			got = append(got, file.Path)
			if file.Missing != (file.Path == "gone/1") || file.State != storage.Pending || file.Size == 0 {
				l.Errorf("%+v", file)
			}
		}
		slices.Sort(got)
		slices.Sort(names)
		if !slices.Equal(got, names) {
			l.Errorf("found %q, want %q", got, names)
		}
		slices.Sort(parents)
		// "a" and "🐕" are among the hard names, as are paths that others go on from.
		for _, dir := range []string{"b", "b/a", "other", "a"} {
			if !slices.Contains(parents, dir) {
				l.Errorf("%q is not among the folders %q", dir, parents)
			}
		}
		for _, dir := range []string{"gone", "nothing", "b/a/1", "a0"} {
			if slices.Contains(parents, dir) {
				l.Errorf("%q is among the folders", dir)
			}
		}
	}},
	{"another folder's files are not known here", func(l *library) {
		l.scan("a/b")
		other := l.addFolder("/other")
		for range l.store.KnownBelow(l.Context(), other.ID, "a") {
			l.Error("one is, below a")
		}
		files, parents, err := l.store.KnownAt(l.Context(), other.ID, []string{"a", "a/b"})
		l.must(err)
		if len(files)+len(parents) > 0 {
			l.Errorf("%+v, %q are", files, parents)
		}
	}},
	{"a scan that found a problem says which, and a full one takes it back", func(l *library) {
		l.must(l.store.EndScan(l.Context(), l.folder.ID, storage.ScanEnd{FileSystem: "disk 1"}))
		l.must(l.store.EndScan(l.Context(), l.folder.ID, storage.ScanEnd{Problem: "It is gone."}))
		if f := l.addFolder(root); f.Problem != "It is gone." || f.FileSystem != "disk 1" || f.Present {
			l.Errorf("with a problem: %+v", f)
		}
		l.must(l.store.EndScan(l.Context(), l.folder.ID, storage.ScanEnd{FileSystem: "disk 2"}))
		if f := l.addFolder(root); f.Problem != "" || f.FileSystem != "disk 2" || !f.Present {
			l.Errorf("after a full scan: %+v", f)
		}
	}},
	{"how a folder is watched is remembered until the watcher signs off", func(l *library) {
		if l.folder.Watch != (storage.Watch{}) {
			l.Errorf("a new folder: %+v", l.folder.Watch)
		}
		for _, mode := range []storage.WatchMode{storage.Watched, storage.Partly, storage.Polled, ""} {
			l.must(l.store.ReportWatch(l.Context(), l.folder.ID, mode, "why \x00 not"))
			got := l.addFolder(root).Watch
			if got.Mode != mode || got.Reason == "" || got.SeenAt.IsZero() {
				l.Errorf("as %q: %+v", mode, got)
			}
		}
		if err := l.store.ReportWatch(l.Context(), l.folder.ID+1000, storage.Watched, ""); !errors.Is(err, storage.ErrUnknownFolder) {
			l.Errorf("of an unknown folder: %v", err)
		}
	}},
}
