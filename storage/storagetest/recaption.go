package storagetest

import (
	"reflect"

	"shoebox/storage"
)

// newer is a model that was first seen after the one of all tests.
const newer = "fedcba9876543210"

var recaptionTests = []test{
	{"photos of another model are queued once, whatever their files, and show their caption meanwhile", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{}))
		l.index("a", "b")
		l.scan("copy of a", "new")
		claims := l.claim(alice, 2, long)
		fresh := photo("new")
		fresh.Model, fresh.Seen = newer, seenBy(newer)
		l.commit(alice, 0, linkedTo(claims[0], photo("a").ID), captionedAs(claims[1], fresh))
		if n := l.recaption(newer, false); n != 2 {
			l.Errorf("%d queued, want a and b", n)
		}
		if n := l.recaption(newer, false); n != 0 {
			l.Errorf("%d queued again", n)
		}
		if shown := l.shown("a"); shown.Photo.Text != "A photo of a." || len(shown.Paths) != 2 {
			l.Errorf("meanwhile %+v", shown)
		}
		for _, claim := range l.claim(bob, 5, long) {
			if !claim.Recaption || claim.Suspect {
				l.Errorf("claimed %+v", claim)
			}
			again := photo(claim.Path)
			again.Caption = storage.Caption{Text: "Anew.", Model: newer, Score: -1}
			again.Seen = seenBy(newer)
			l.commit(bob, 0, captionedAs(claim, again))
		}
		for _, content := range []string{"a", "b"} {
			shown := l.shown(content)
			if shown.Photo.Text != "Anew." || shown.Photo.Model != newer || !reflect.DeepEqual(shown.Photo.Seen, seenBy(newer)) {
				l.Errorf("in the end %+v, %+v", shown.Photo.Caption, shown.Photo.Seen)
			}
		}
		if n := l.recaption(newer, false); n != 0 {
			l.Errorf("%d queued in the end", n)
		}
	}},
	{"photos of an older model are told from those of a newer one", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{}))
		l.index("a")
		for _, step := range []struct {
			model string
			older bool
			want  int
		}{{model, true, 0}, {model, false, 0}, {newer, true, 1}} {
			if n := l.recaption(step.model, step.older); n != step.want {
				l.Errorf("for model %s, only older %v: %d queued, want %d", step.model, step.older, n, step.want)
			}
		}
	}},
	{"a caption by a person is never written anew, even one written meanwhile", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{}))
		l.index("mine", "soon mine")
		l.must(l.store.EditCaption(l.Context(), photo("mine").ID, "Mine."))
		if n := l.recaption(newer, false); n != 2 {
			l.Errorf("%d queued, want both: what is seen is new", n)
		}
		claims := l.claim(alice, 2, long)
		l.must(l.store.EditCaption(l.Context(), photo("soon mine").ID, "Mine, too."))
		for _, claim := range claims {
			again := photo(claim.Path)
			again.Text, again.Model, again.Seen = "Anew.", newer, seenBy(newer)
			l.commit(alice, 0, captionedAs(claim, again))
		}
		for content, want := range map[string]string{"mine": "Mine.", "soon mine": "Mine, too."} {
			shown := l.shown(content)
			if shown.Photo.Text != want || !shown.Photo.Edited || !reflect.DeepEqual(shown.Photo.Seen, seenBy(newer)) {
				l.Errorf("shown is %+v, %+v", shown.Photo.Caption, shown.Photo.Seen)
			}
		}
		if n := l.recaption(newer, false); n != 0 {
			l.Errorf("%d queued in the end", n)
		}
		if got := l.counts(); got != (storage.Counts{Done: 2}) {
			l.Errorf("counts are %+v", got)
		}
	}},
	{"photos in which nothing was seen yet are queued for their own model, and once", func(l *library) {
		old := photo("old")
		old.Seen = storage.Seen{}
		l.scan("old", "copy of old")
		claims := l.claim(alice, 2, long)
		l.commit(alice, 0, captionedAs(claims[0], old), linkedTo(claims[1], old.ID))
		l.index("new")
		if n := l.recaption(model, true); n != 1 {
			l.Errorf("%d queued, want 1", n)
		}
		read := photo("old")
		read.Title, read.Keywords = "Written into the file", []string{"from the start"}
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), read))
		if shown := l.shown("old"); !reflect.DeepEqual(shown.Photo, *read) {
			l.Errorf("got  %+v\nwant %+v", shown.Photo, *read)
		}
		if n := l.recaption(model, false); n != 0 {
			l.Errorf("%d queued again", n)
		}
	}},
	{"a photo keeps its caption when a new one cannot be had, or its worker dies", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{}))
		l.index("a")
		l.recaption(newer, false)
		l.claimOne(alice, long)
		_, err := l.store.TakeBack(l.Context(), alice)
		l.must(err)
		claim := l.claimOne(bob, long)
		if !claim.Recaption || !claim.Suspect {
			l.Errorf("after a death: %+v", claim)
		}
		if shown := l.shown("a"); shown.Photo.Text != "A photo of a." || len(shown.Paths) != 1 {
			l.Errorf("after a death %+v", shown)
		}
		l.commit(bob, 0, failedAs(claim, storage.Failed, "io"))
		if shown := l.shown("a"); shown.Photo.Text != "A photo of a." || len(shown.Paths) != 1 {
			l.Errorf("after a failure %+v", shown)
		}
		if got := l.counts(); got != (storage.Counts{Done: 1}) {
			l.Errorf("counts are %+v", got)
		}
	}},
}

func (l *library) recaption(model string, olderOnly bool) int {
	l.Helper()
	n, err := l.store.Recaption(l.Context(), model, olderOnly)
	l.must(err)
	return n
}
