package storagetest

import (
	"errors"
	"slices"

	"shoebox/storage"
)

var folderTests = []test{
	{"a folder added twice is one folder", func(l *library) {
		if again := l.addFolder(root); again != l.folder {
			l.Errorf("got %+v, then %+v", l.folder, again)
		}
		if again := l.addFolder(root + "/"); again != l.folder {
			l.Errorf("with a slash at its end it is %+v", again)
		}
	}},
	{"a new folder is present and not scanned", func(l *library) {
		if !l.folder.Present || !l.folder.ScannedAt.IsZero() || l.folder.Path != root {
			l.Errorf("got %+v", l.folder)
		}
	}},
	{"a relative path is refused", func(l *library) {
		if folder, err := l.store.AddFolder(l.Context(), "photos"); err == nil {
			l.Errorf("got %+v", folder)
		}
	}},
	{"folders are listed by the bytes of their paths", func(l *library) {
		want := []string{"/", "/photos", "/photos/\xff\n'", "/z"}
		for _, path := range []string{"/z", "/photos/\xff\n'", "/"} {
			l.addFolder(path)
		}
		folders, err := l.store.Folders(l.Context())
		l.must(err)
		var paths []string
		for _, folder := range folders {
			paths = append(paths, folder.Path)
		}
		if !slices.Equal(paths, want) {
			l.Errorf("got %q, want %q", paths, want)
		}
	}},
	{"an unknown folder cannot be forgotten or scanned", func(l *library) {
		for what, err := range map[string]error{
			"forgetting": l.store.ForgetFolder(l.Context(), "/elsewhere"),
			"scanning":   l.store.ApplyScan(l.Context(), l.folder.ID+1000, storage.ScanChanges{Upserts: stats("a")}),
			"ending":     l.store.EndScan(l.Context(), l.folder.ID+1000, storage.ScanEnd{}),
		} {
			if !errors.Is(err, storage.ErrUnknownFolder) {
				l.Errorf("%s: %v, want ErrUnknownFolder", what, err)
			}
		}
	}},
	{"forgetting a folder takes its files and leaves those of others", func(l *library) {
		other := l.addFolder("/other")
		l.must(l.store.ApplyScan(l.Context(), other.ID, storage.ScanChanges{Upserts: stats("b", "c")}))
		l.index("a")
		l.must(l.store.ForgetFolder(l.Context(), root))
		folders, err := l.store.Folders(l.Context())
		l.must(err)
		if len(folders) != 1 || folders[0].Path != "/other" {
			l.Errorf("left: %+v", folders)
		}
		counts, err := l.store.CountFiles(l.Context(), nil)
		l.must(err)
		if want := (storage.Counts{Pending: 2}); counts != want {
			l.Errorf("counts %+v, want %+v", counts, want)
		}
	}},
	{"a forgotten folder starts anew when it is added again, and its captions are still known", func(l *library) {
		l.index("a")
		l.must(l.store.ForgetFolder(l.Context(), root))
		l.folder = l.addFolder(root)
		if known := l.known(); len(known) != 0 {
			l.Errorf("known: %+v", known)
		}
		captioned, err := l.store.CaptionedPhotos(l.Context(), []storage.PhotoID{photo("a").ID})
		l.must(err)
		if !captioned[photo("a").ID] {
			l.Error("the caption is gone")
		}
	}},
	{"a result for a forgotten file is dropped", func(l *library) {
		l.scan("a")
		claim := l.claimOne(alice, long)
		l.must(l.store.ForgetFolder(l.Context(), root))
		l.commit(alice, 1, captionedAs(claim, photo("a")))
	}},
	{"the end of a scan is remembered, and of the last full one when the root was gone", func(l *library) {
		l.must(l.store.EndScan(l.Context(), l.folder.ID, storage.ScanEnd{}))
		full := l.addFolder(root)
		if !full.Present || full.ScannedAt.IsZero() {
			l.Errorf("after a full scan: %+v", full)
		}
		l.must(l.store.EndScan(l.Context(), l.folder.ID, storage.ScanEnd{Problem: "it is gone"}))
		gone := l.addFolder(root)
		if gone.Present || !gone.ScannedAt.Equal(full.ScannedAt) {
			l.Errorf("after a scan without the root: %+v, before %+v", gone, full)
		}
	}},
}
