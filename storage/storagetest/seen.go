package storagetest

import (
	"errors"
	"reflect"

	"shoebox/storage"
)

var seenTests = []test{
	{"a vocabulary is kept as it was recorded first", func(l *library) {
		want := storage.Vocabulary{
			Smallest: 1e-4,
			Words:    []storage.PictureWord{{Stem: "dog", Prior: 0.23557471, Forms: []string{"dog", "dogs"}}, {Stem: "été", Prior: 1.5e-05, Forms: []string{"été"}}},
			Classes:  []storage.PictureClass{{Synset: "n01440764", Name: "tench, Tinca tinca"}},
		}
		l.must(l.store.RecordModel(l.Context(), newer, "second model", want))
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{Smallest: 0.5, Words: want.Words[:1]}))
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{}))
		if got, err := l.store.Vocabulary(l.Context(), newer); err != nil || !reflect.DeepEqual(got, want) {
			l.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}},
	{"a model that was recorded without its vocabulary gets it later", func(l *library) {
		for _, hash := range []string{model, "never recorded"} {
			if _, err := l.store.Vocabulary(l.Context(), hash); !errors.Is(err, storage.ErrUnknownModel) {
				l.Errorf("of model %s: %v", hash, err)
			}
		}
		want := storage.Vocabulary{Smallest: 1e-4, Words: []storage.PictureWord{{Stem: "dog", Prior: 0.2, Forms: []string{"dog"}}}}
		l.must(l.store.RecordModel(l.Context(), model, "another name", want))
		if got, err := l.store.Vocabulary(l.Context(), model); err != nil || !reflect.DeepEqual(got, want) {
			l.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		status, err := l.store.Status(l.Context())
		l.must(err)
		if len(status.Models) > 0 && status.Models[0].Name != "first model" {
			l.Errorf("the model is now called %q", status.Models[0].Name)
		}
	}},
	{"what was seen may be another model's than the caption", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{}))
		edited := photo("a")
		edited.Caption = storage.Caption{Text: "Mine.", Edited: true}
		edited.Seen = seenBy(newer)
		l.scan("a")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), edited))
		if got := l.shown("a").Photo; !reflect.DeepEqual(got, *edited) {
			l.Errorf("got  %+v\nwant %+v", got, *edited)
		}
	}},
	{"a model without other captions, words and classes has looked all the same", func(l *library) {
		plain := photo("a")
		plain.Seen = storage.Seen{Model: model}
		l.scan("a")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), plain))
		if got := l.shown("a").Photo; !reflect.DeepEqual(got, *plain) {
			l.Errorf("got  %+v\nwant %+v", got, *plain)
		}
		if n := l.recaption(model, false); n != 0 {
			l.Errorf("%d photos are to be looked at again", n)
		}
	}},
	{"what was seen in a photo stays when a copy comes, is edited or the edit is undone", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), newer, "second model", storage.Vocabulary{}))
		l.index("a")
		other := photo("a")
		other.Seen = seenBy(newer)
		for _, step := range []struct {
			what string
			do   func()
		}{
			{"a copy comes", func() {
				l.scan("copy")
				l.commit(alice, 0, captionedAs(l.claimOne(alice, long), other))
			}},
			{"it is edited", func() { l.edit("a", "Mine.") }},
			{"the edit is undone", func() { l.must(l.store.UndoEdit(l.Context(), photo("a").ID)) }},
		} {
			step.do()
			if got := l.shown("a").Photo.Seen; !reflect.DeepEqual(got, photo("a").Seen) {
				l.Errorf("when %s: %+v", step.what, got)
			}
		}
	}},
	{"what is seen for the first time in a known photo comes through the feed", func(l *library) {
		old := photo("a")
		old.Seen = storage.Seen{}
		l.scan("a")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), old))
		_, cursor := l.feed(storage.Cursor{})
		l.recaption(model, false)
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), photo("a")))
		changes, _ := l.feed(cursor)
		if len(changes) != 1 || !reflect.DeepEqual(changes[0].Photo, *photo("a")) {
			l.Errorf("got %+v", changes)
		}
	}},
}
