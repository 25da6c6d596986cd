package storagetest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"shoebox/storage"
)

var editTests = []test{
	{"an edit replaces the caption and shows", func(l *library) {
		l.index("a", "b")
		_, cursor := l.feed(storage.Cursor{})
		l.edit("a", "Bo in the garden.")
		changes, _ := l.feed(cursor)
		if len(changes) != 1 {
			l.Fatalf("the feed has %+v", changes)
		}
		if c := changes[0].Photo.Caption; c.Text != "Bo in the garden." || !c.Edited || c.Score != 0 || c.Unsure {
			l.Errorf("shown: %+v", c)
		}
	}},
	{"an undone edit leaves the caption of the model, however often it was edited", func(l *library) {
		l.index("a")
		l.edit("a", "First.")
		l.edit("a", "Second.")
		l.must(l.store.UndoEdit(l.Context(), photo("a").ID))
		if got := l.shown("a").Photo; !reflect.DeepEqual(got, *photo("a")) {
			l.Errorf("got %+v", got)
		}
		if edits := l.edits(); len(edits) != 0 {
			l.Errorf("edits left: %+v", edits)
		}
		l.must(l.store.UndoEdit(l.Context(), photo("a").ID)) // nothing to undo
		if got := l.shown("a").Photo; got.Text != photo("a").Text {
			l.Errorf("then %+v", got)
		}
	}},
	{"where the model's caption is not known, undoing has it written again", func(l *library) {
		edited := photo("a")
		edited.Caption = storage.Caption{Text: "By a person, for these pixels.", Edited: true}
		l.scan("a")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), edited))
		if edits := l.edits(); len(edits) != 1 || edits[0].Caption != edited.Text {
			l.Fatalf("edits: %+v", edits)
		}
		l.must(l.store.UndoEdit(l.Context(), edited.ID))
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), photo("a")))
		if got := l.shown("a").Photo.Caption; got != photo("a").Caption {
			l.Errorf("got %+v", got)
		}
	}},
	{"edits are listed by photo, with the paths of missing files too", func(l *library) {
		began := time.Now().Add(-time.Minute)
		l.index("a", "b", "c")
		l.edit("b", "Of b.")
		l.edit("a", "Of a.")
		l.lose("b")
		want := []storage.Edit{
			{Photo: photo("a").ID, Caption: "Of a.", Paths: []string{root + "/a"}},
			{Photo: photo("b").ID, Caption: "Of b.", Paths: []string{root + "/b"}},
		}
		slices.SortFunc(want, func(x, y storage.Edit) int { return slices.Compare(x.Photo[:], y.Photo[:]) })
		got := l.edits()
		for i := range got {
			if got[i].At.Before(began) || got[i].At.After(time.Now().Add(time.Minute)) {
				l.Errorf("edited at %s", got[i].At)
			}
			got[i].At = time.Time{}
		}
		if !reflect.DeepEqual(got, want) {
			l.Errorf("got  %+v\nwant %+v", got, want)
		}
	}},
	{"a photo that is not known cannot be edited", func(l *library) {
		for what, err := range map[string]error{
			"edit": l.store.EditCaption(l.Context(), photo("a").ID, "x"),
			"undo": l.store.UndoEdit(l.Context(), photo("a").ID),
		} {
			if !errors.Is(err, storage.ErrUnknownPhoto) {
				l.Errorf("%s: %v", what, err)
			}
		}
	}},
}

func (l *library) edit(content, caption string) {
	l.Helper()
	l.must(l.store.EditCaption(l.Context(), photo(content).ID, caption))
}

func (l *library) edits() (all []storage.Edit) {
	l.Helper()
	for e, err := range l.store.Edits(l.Context()) {
		l.must(err)
		all = append(all, e)
	}
	return all
}

var photosTests = []test{
	{"photos with a present file are streamed by ID, as the feed has them", func(l *library) {
		l.index("a", "b", "c", "copied", "lost")
		l.scan("copy")
		l.commit(alice, 0, linkedTo(l.claimOne(alice, long), photo("copied").ID))
		l.lose("lost")
		var want []storage.Change
		shown, _ := l.feed(storage.Cursor{})
		for _, c := range shown {
			if len(c.Paths) > 0 {
				want = append(want, c)
			}
		}
		slices.SortFunc(want, func(x, y storage.Change) int { return slices.Compare(x.Photo.ID[:], y.Photo.ID[:]) })
		var got []storage.Change
		for c, err := range l.store.Photos(l.Context()) {
			l.must(err)
			got = append(got, c)
		}
		if len(got) != 4 || !reflect.DeepEqual(got, want) {
			l.Errorf("got  %+v\nwant %+v", got, want)
		}
		some, err := l.store.PhotosByID(l.Context(), []storage.PhotoID{want[2].Photo.ID, photo("lost").ID, photo("unknown").ID, want[0].Photo.ID})
		l.must(err)
		if !reflect.DeepEqual(some, []storage.Change{want[0], want[2]}) {
			l.Errorf("by ID: %+v", some)
		}
	}},
	{"more photos than a page are streamed once each", func(l *library) {
		const n = 2500
		var names []string
		for i := range n {
			names = append(names, string(rune('a'+i%26))+time.Duration(i).String())
		}
		l.index(names...)
		seen := make(map[storage.PhotoID]bool)
		for c, err := range l.store.Photos(l.Context()) {
			l.must(err)
			seen[c.Photo.ID] = true
		}
		if len(seen) != n {
			l.Errorf("%d photos, want %d", len(seen), n)
		}
	}},
	{"files are found by ID", func(l *library) {
		l.scan("a", "b", "c")
		ids := l.ids("a", "c")
		files, err := l.store.FilesByID(l.Context(), append(ids, 1<<40))
		l.must(err)
		slices.SortFunc(files, func(x, y storage.KnownFile) int { return strings.Compare(x.Path, y.Path) })
		if !reflect.DeepEqual(files, []storage.KnownFile{l.file("a"), l.file("c")}) {
			l.Errorf("got %+v", files)
		}
	}},
	{"what is stamped again comes through the feed again", func(l *library) {
		l.index("a", "b")
		_, cursor := l.feed(storage.Cursor{})
		l.must(l.store.Restamp(l.Context(), []storage.PhotoID{photo("b").ID, photo("unknown").ID}))
		if changes, _ := l.feed(cursor); len(changes) != 1 || changes[0].Photo.ID != photo("b").ID {
			l.Errorf("got %+v", changes)
		}
	}},
}
