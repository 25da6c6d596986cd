package storagetest

import (
	"reflect"
	"slices"
	"strings"

	"shoebox/storage"
)

var sidecarTests = []test{
	{"a file is remembered with the sidecar that was seen", func(l *library) {
		files := stats("a", "b")
		files[1].Sidecar = storage.SidecarStat{Size: 0, ModTime: -5}
		l.see(files...)
		for i, got := range l.known() {
			if got.FileStat != files[i] {
				l.Errorf("known is %+v, want %+v", got.FileStat, files[i])
			}
		}
		for i, claim := range l.claim(alice, 2, long) {
			if claim.FileStat != files[i] || claim.Known != (storage.PhotoID{}) {
				l.Errorf("claimed %+v, want %+v", claim, files[i])
			}
		}
	}},
	{"a sidecar that is new, changes or goes is read without its picture", func(l *library) {
		l.index("a")
		for i, sidecar := range []storage.SidecarStat{{Size: 10, ModTime: modified}, {Size: 10, ModTime: modified + 1}, {}} {
			l.beside("a", sidecar)
			if file := l.file("a"); file.State != storage.Pending || file.Sidecar != sidecar {
				l.Errorf("%d: the file is %+v", i, file)
			}
			claim := l.claimOne(alice, long)
			if claim.Known != photo("a").ID || claim.Sidecar != sidecar {
				l.Errorf("%d: claimed %+v", i, claim)
			}
			result := linkedTo(claim, claim.Known)
			if sidecar != (storage.SidecarStat{}) {
				result.Sidecar = &storage.Sidecar{Title: strings.Repeat("very ", i) + "good"}
			}
			l.commit(alice, 0, result)
			l.commit(alice, 0, result) // as if the answer had been lost
			shown := l.shown("a").Photo
			if want := []string{"good", "very good", ""}[i]; shown.Title != want || shown.Text != photo("a").Text {
				l.Errorf("%d: shown is the title %q, want %q, with caption %q", i, shown.Title, want, shown.Text)
			}
			if got := l.counts(); got != (storage.Counts{Done: 1}) {
				l.Errorf("%d: counts are %+v", i, got)
			}
			l.beside("a", sidecar) // which another scan has seen, too
			if got := l.counts(); got != (storage.Counts{Done: 1}) {
				l.Errorf("%d: after the same scan, counts are %+v", i, got)
			}
		}
	}},
	{"what a sidecar says is shown wherever a photo is", func(l *library) {
		own := photo("a")
		own.Title, own.Keywords, own.Rating = "In the file", []string{"sea"}, 2
		l.scan("a")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), own))
		l.writeBeside("a", storage.Sidecar{Description: "Beside it", Keywords: []string{"Sea", "wind"}, People: []string{"Anna"}, Rating: new(0)})
		want := *own
		want.Description, want.Keywords, want.People, want.Rating = "Beside it", []string{"sea", "wind"}, []string{"Anna"}, 0
		byID, err := l.store.PhotosByID(l.Context(), []storage.PhotoID{own.ID})
		l.must(err)
		if len(byID) != 1 {
			l.Fatalf("by its ID %+v", byID)
		}
		shown := map[string]storage.Change{"in the feed": l.shown("a"), "by its ID": byID[0]}
		for change, err := range l.store.Photos(l.Context()) {
			l.must(err)
			shown["among all"] = change
		}
		for where, change := range shown {
			if !reflect.DeepEqual(change.Photo, want) || !slices.Equal(change.Paths, []string{root + "/a"}) {
				l.Errorf("%s %q: %+v\nwant %+v", where, change.Paths, change.Photo, want)
			}
		}
		// Only a present file's sidecar counts.
		l.scan("copy")
		l.commit(alice, 0, linkedTo(l.claimOne(alice, long), own.ID))
		l.lose("a")
		if got := l.shown("a").Photo; !reflect.DeepEqual(got, *own) {
			l.Errorf("without the file %+v, want %+v", got, *own)
		}
		l.restore("a")
		if got := l.shown("a").Photo; !reflect.DeepEqual(got, want) {
			l.Errorf("with the file back %+v, want %+v", got, want)
		}
	}},
	{"a sidecar comes through the feed when what it says changes, and only then", func(l *library) {
		l.index("a")
		said := storage.Sidecar{Title: "A title"}
		for _, step := range []struct {
			what string
			said storage.Sidecar
			want int
		}{
			{"one that says nothing", storage.Sidecar{}, 0}, {"a title", said, 1}, {"the same title", said, 0},
			{"no title any more", storage.Sidecar{}, 1},
		} {
			_, cursor := l.feed(storage.Cursor{})
			l.writeBeside("a", step.said)
			if changes, _ := l.feed(cursor); len(changes) != step.want {
				l.Errorf("%s: %d changes, want %d", step.what, len(changes), step.want)
			}
		}
	}},
	{"two files of a photo may have different sidecars", func(l *library) {
		l.index("b")
		l.scan("a")
		l.commit(alice, 0, linkedTo(l.claimOne(alice, long), photo("b").ID))
		l.writeBeside("b", storage.Sidecar{Title: "Of b", Description: "Told of b", Keywords: []string{"b"}})
		l.writeBeside("a", storage.Sidecar{Title: "Of a", Keywords: []string{"a"}})
		got := l.shown("b").Photo
		if got.Title != "Of a" || got.Description != "Told of b" || !slices.Equal(got.Keywords, []string{"a", "b"}) {
			l.Errorf("both together: %q, %q, %q", got.Title, got.Description, got.Keywords)
		}
		l.lose("a")
		if got := l.shown("b").Photo; got.Title != "Of b" || !slices.Equal(got.Keywords, []string{"b"}) {
			l.Errorf("b alone: %q, %q", got.Title, got.Keywords)
		}
	}},
	{"a file that moves with its sidecar keeps what it says", func(l *library) {
		l.index("a")
		l.writeBeside("a", storage.Sidecar{Title: "A title"})
		moved := storage.FileStat{Path: "moved", Size: 1001, ModTime: modified, Sidecar: l.file("a").Sidecar}
		l.must(l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{Upserts: []storage.FileStat{moved}, Missing: l.ids("a")}))
		claim := l.claimOne(alice, long)
		if claim.Known != (storage.PhotoID{}) {
			l.Errorf("the moved file is known before it was read: %+v", claim)
		}
		result := linkedTo(claim, photo("a").ID)
		result.Sidecar = &storage.Sidecar{Title: "A title"}
		l.commit(alice, 0, result)
		if got := l.shown("a"); got.Photo.Title != "A title" || !slices.Equal(got.Paths, []string{root + "/moved"}) {
			l.Errorf("shown %q at %q", got.Photo.Title, got.Paths)
		}
	}},
	{"a picture that changes, with its sidecar or after it, is read itself", func(l *library) {
		l.index("together", "after")
		l.beside("after", storage.SidecarStat{Size: 10, ModTime: modified})
		files := stats("together", "after")
		for i := range files {
			files[i].ModTime++
			files[i].Sidecar = storage.SidecarStat{Size: 11, ModTime: modified}
		}
		l.see(files...)
		for _, claim := range l.claim(alice, 2, long) {
			if claim.Known != (storage.PhotoID{}) {
				l.Errorf("claimed %+v", claim)
			}
		}
	}},
	{"a picture that was not read yet is, whatever its sidecar does", func(l *library) {
		l.scan("pending", "failed")
		l.commit(alice, 0, failedAs(l.claim(alice, 2, long)[1], storage.Failed, "truncated"))
		l.must(l.store.ReleaseAll(l.Context(), alice))
		l.beside("pending", storage.SidecarStat{Size: 10, ModTime: modified})
		l.beside("failed", storage.SidecarStat{Size: 10, ModTime: modified})
		claims := l.claim(alice, 3, long)
		if len(claims) != 2 {
			l.Fatalf("claimed %+v", claims)
		}
		for _, claim := range claims {
			if claim.Known != (storage.PhotoID{}) {
				l.Errorf("claimed %+v", claim)
			}
			l.commit(alice, 0, captionedAs(claim, photo(claim.Path)))
		}
	}},
	{"a sidecar that changes while it is read is read again", func(l *library) {
		l.index("a")
		l.beside("a", storage.SidecarStat{Size: 10, ModTime: modified})
		stale := l.claimOne(alice, long)
		l.beside("a", storage.SidecarStat{Size: 20, ModTime: modified})
		fresh := l.claimOne(alice, long)
		old := linkedTo(stale, stale.Known)
		old.Sidecar = &storage.Sidecar{Title: "old"}
		l.commit(alice, 1, old)
		result := linkedTo(fresh, fresh.Known)
		result.Sidecar = &storage.Sidecar{Title: "new"}
		l.commit(alice, 0, result)
		if got := l.shown("a").Photo.Title; fresh.Known != photo("a").ID || got != "new" {
			l.Errorf("shown %q of claim %+v", got, fresh)
		}
	}},
	{"a worker that dies or stops with a sidecar leaves it to the next", func(l *library) {
		l.index("a")
		l.beside("a", storage.SidecarStat{Size: 10, ModTime: modified})
		for _, owner := range []storage.Owner{alice, bob} {
			l.claimOne(owner, long)
			l.must(l.store.ReleaseAll(l.Context(), owner))
			l.claimOne(owner, long)
			_, err := l.store.TakeBack(l.Context(), owner)
			l.must(err)
		}
		if claim := l.claimOne(alice, long); claim.Known != photo("a").ID || !claim.Suspect {
			l.Errorf("claimed %+v", claim)
		}
		if shown := l.shown("a"); len(shown.Paths) != 1 {
			l.Errorf("meanwhile shown at %q", shown.Paths)
		}
	}},
	{"a suspect whose sidecar changes is a suspect still, and one that waits for a new caption waits on", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{}))
		l.index("a")
		l.recaption(newer, false)
		l.claimOne(alice, long)
		_, err := l.store.TakeBack(l.Context(), alice)
		l.must(err)
		l.beside("a", storage.SidecarStat{Size: 10, ModTime: modified})
		claim := l.claimOne(alice, long)
		if !claim.Suspect || !claim.Recaption || claim.Known != (storage.PhotoID{}) {
			l.Errorf("claimed %+v", claim)
		}
		failed := failedAs(claim, storage.Failed, "io")
		failed.Sidecar = &storage.Sidecar{Title: "A title"}
		l.commit(alice, 0, failed)
		if got := l.shown("a").Photo; got.Title != "A title" || got.Text != photo("a").Text {
			l.Errorf("shown %q, %q", got.Title, got.Text)
		}
	}},
	{"a photo that has lost its caption is read itself", func(l *library) {
		l.index("a")
		l.beside("a", storage.SidecarStat{Size: 10, ModTime: modified})
		claim := l.claimOne(alice, long)
		uncaptioned := photo("never seen") // as if its row had come without a caption
		l.commit(alice, 1, linkedTo(claim, uncaptioned.ID))
		if claim := l.claimOne(alice, long); claim.Known != (storage.PhotoID{}) {
			l.Errorf("claimed %+v", claim)
		}
	}},
	{"what a sidecar says is made to fit", func(l *library) {
		l.index("a")
		l.writeBeside("a", storage.Sidecar{
			Title: "nul\x00\xff", Keywords: []string{"\x00", "kept\xc3"}, People: []string{""}, Rating: new(99),
		})
		got := l.shown("a").Photo
		if got.Title != "nul\uFFFD" || !slices.Equal(got.Keywords, []string{"kept\uFFFD"}) || got.People != nil || got.Rating != 5 {
			l.Errorf("shown %+v", got.Metadata)
		}
	}},
}

// see records files as they are given.
func (l *library) see(files ...storage.FileStat) {
	l.Helper()
	l.must(l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{Upserts: files}))
}

// beside records what a file's sidecar is now; zero: it went.
func (l *library) beside(path string, sidecar storage.SidecarStat) {
	l.Helper()
	file := l.file(path).FileStat
	file.Sidecar = sidecar
	l.see(file)
}

// writeBeside has a sidecar written beside an indexed file, and read.
func (l *library) writeBeside(path string, said storage.Sidecar) {
	l.Helper()
	before := l.file(path).Sidecar
	l.beside(path, storage.SidecarStat{Size: before.Size + 1, ModTime: modified})
	claim := l.claimOne(alice, long)
	result := linkedTo(claim, claim.Known)
	result.Sidecar = &said
	l.commit(alice, 0, result)
}
