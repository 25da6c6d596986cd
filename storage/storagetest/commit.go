package storagetest

import (
	"crypto/sha256"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"shoebox/storage"
)

var commitTests = []test{
	{"all that is known of a photo comes back", func(l *library) {
		offset := -570
		full := photo("a")
		full.Damaged = true
		full.Metadata = storage.Metadata{
			Taken: storage.Taken{Clock: time.Date(2019, 5, 4, 23, 59, 58, 123456000, time.UTC), Offset: &offset},
			Make:  "Canon", Camera: "Canon EOS 40D", Lens: "EF 50mm f/1.8 II", ExposureTime: 1.0 / 320, FNumber: 1.8,
			ISO: 4_000_000_000, FocalLength: 50, Location: &storage.Location{Lat: -48.8584, Lon: 2.2945},
			Title: "Bo", Description: "In the \"garden\",\nin May.", Keywords: []string{"dog", "été, \\{}"},
			People: []string{"Ann", "Ben \"B.\" Lee"}, Rating: 4,
		}
		full.Unsure = true
		l.scan("a")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), full))
		if got := l.shown("a"); !reflect.DeepEqual(got.Photo, *full) {
			l.Errorf("got  %+v\nwant %+v", got.Photo, *full)
		}
	}},
	{"what a photo does not say comes back as not said", func(l *library) {
		bare := photo("a")
		bare.Taken.Clock = time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) // and no zone
		bare.Seen = storage.Seen{}
		l.scan("a", "b")
		claims := l.claim(alice, 2, long)
		l.commit(alice, 0, captionedAs(claims[0], bare), captionedAs(claims[1], photo("b")))
		if got := l.shown("a"); !reflect.DeepEqual(got.Photo, *bare) {
			l.Errorf("got  %+v\nwant %+v", got.Photo, *bare)
		}
		if got := l.shown("b"); !reflect.DeepEqual(got.Photo, *photo("b")) {
			l.Errorf("got  %+v\nwant %+v", got.Photo, *photo("b"))
		}
	}},
	{"a captioned file is done and is not claimed again", func(l *library) {
		l.index("a")
		if file := l.file("a"); file.State != storage.Done {
			l.Errorf("got %+v", file)
		}
		if claims := l.claim(alice, 1, long); len(claims) != 0 {
			l.Errorf("claimed %+v", claims)
		}
		captioned, err := l.store.CaptionedPhotos(l.Context(), []storage.PhotoID{photo("a").ID, photo("b").ID})
		l.must(err)
		if !captioned[photo("a").ID] || len(captioned) != 1 {
			l.Errorf("captioned: %v", captioned)
		}
	}},
	{"a commit whose answer was lost counts again and changes nothing", func(l *library) {
		l.scan("a", "b", "c")
		claims := l.claim(alice, 3, long)
		results := []storage.Result{
			captionedAs(claims[0], photo("a")),
			failedAs(claims[1], storage.Failed, "truncated"),
			linkedTo(claims[2], photo("a").ID),
		}
		l.commit(alice, 0, results...)
		_, cursor := l.feed(storage.Cursor{})
		l.commit(alice, 0, results...)
		if changes, _ := l.feed(cursor); len(changes) != 0 {
			l.Errorf("the feed has %+v", changes)
		}
		// What another worker has done meanwhile stands, and ours is dropped.
		results[0].PhotoID, results[0].Photo = photo("other").ID, photo("other")
		results[1].Failure.Code = "io"
		l.commit(alice, 2, results...)
		if shown := l.shown("a"); len(shown.Paths) != 2 {
			l.Errorf("shown: %+v", shown)
		}
	}},
	{"a photo that has a caption keeps it", func(l *library) {
		l.index("a")
		l.scan("copy")
		other := photo("a")
		other.Text, other.Score = "Something else.", -0.1
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), other))
		if shown := l.shown("a"); shown.Photo.Text != photo("a").Text || len(shown.Paths) != 2 {
			l.Errorf("shown: %+v", shown)
		}
	}},
	{"a person's caption is never overwritten", func(l *library) {
		edited := photo("a")
		edited.Caption = storage.Caption{Text: "", Edited: true} // emptied, and meant so
		l.scan("a")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), edited))
		l.scan("copy")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), photo("a")))
		l.touch("a")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), photo("a")))
		if got := l.shown("a").Photo.Caption; got != edited.Caption {
			l.Errorf("got %+v", got)
		}
	}},
	{"a photo without a caption gets the first that comes", func(l *library) {
		bare := photo("a")
		bare.Caption = storage.Caption{}
		l.scan("a", "b")
		claims := l.claim(alice, 2, long)
		l.commit(alice, 0, captionedAs(claims[0], bare))
		l.commit(alice, 0, captionedAs(claims[1], photo("a")))
		if got := l.shown("a").Photo.Caption; got != photo("a").Caption {
			l.Errorf("got %+v", got)
		}
	}},
	{"a file with known content is linked to its photo", func(l *library) {
		l.index("a")
		l.scan("b")
		l.commit(alice, 0, linkedTo(l.claimOne(alice, long), photo("a").ID))
		if got := l.shown("a"); len(got.Paths) != 2 || got.Paths[1] != root+"/b" {
			l.Errorf("shown at %q", got.Paths)
		}
	}},
	{"a file whose content turns out to have no caption is pending", func(l *library) {
		l.scan("a")
		l.commit(alice, 1, linkedTo(l.claimOne(alice, long), photo("a").ID))
		l.claimOne(bob, long)
	}},
	{"copies in one batch share the photo, even when the lease of the one that brings it is lost", func(l *library) {
		l.scan("a", "b", "c")
		claims := l.claim(alice, 3, long)
		l.must(l.store.Release(l.Context(), alice, l.ids("a")))
		l.commit(alice, 1,
			captionedAs(claims[0], photo("same")),
			linkedTo(claims[1], photo("same").ID),
			linkedTo(claims[2], photo("same").ID))
		if got := l.shown("same"); len(got.Paths) != 2 {
			l.Errorf("shown at %q", got.Paths)
		}
	}},
	{"a result counts once in a commit", func(l *library) {
		l.scan("a")
		claim := l.claimOne(alice, long)
		l.commit(alice, 1, captionedAs(claim, photo("a")), captionedAs(claim, photo("a")))
	}},
	{"a result whose lease another has taken is dropped", func(l *library) {
		l.scan("a")
		late := l.claimOne(alice, 1)
		outlive(l.Context())
		claim := l.claimOne(bob, long)
		l.commit(alice, 1, captionedAs(late, photo("by alice")))
		l.commit(bob, 0, captionedAs(claim, photo("by bob")))
		l.commit(alice, 1, captionedAs(late, photo("by alice")))
		if got := l.shown("by bob"); len(got.Paths) != 1 {
			l.Errorf("shown at %q", got.Paths)
		}
	}},
	{"a result whose lease has ended counts while nobody has taken the file", func(l *library) {
		l.scan("a")
		claim := l.claimOne(alice, 1)
		outlive(l.Context())
		l.commit(alice, 0, captionedAs(claim, photo("a")))
	}},
	{"a result for a file that has changed since is dropped", func(l *library) {
		l.scan("a")
		old := l.claimOne(alice, long)
		l.touch("a")
		l.commit(alice, 1, captionedAs(old, photo("old")))
		claim := l.claimOne(alice, long) // by the same owner
		l.commit(alice, 1, captionedAs(old, photo("old")))
		l.commit(alice, 0, captionedAs(claim, photo("new")))
	}},
	{"a changed file leaves its old photo for its new one", func(l *library) {
		l.index("a")
		l.touch("a")
		_, cursor := l.feed(storage.Cursor{})
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), photo("new")))
		if changes, _ := l.feed(cursor); len(changes) != 2 {
			l.Errorf("the feed has %+v", changes)
		}
		if got := l.shown("a"); len(got.Paths) != 0 {
			l.Errorf("the old photo is shown at %q", got.Paths)
		}
		if got := l.shown("new"); len(got.Paths) != 1 {
			l.Errorf("the new photo is shown at %q", got.Paths)
		}
	}},
	{"a changed file that fails leaves its photo", func(l *library) {
		l.index("a")
		l.touch("a")
		l.commit(alice, 0, failedAs(l.claimOne(alice, long), storage.Failed, "truncated"))
		if got := l.shown("a"); len(got.Paths) != 0 {
			l.Errorf("shown at %q", got.Paths)
		}
	}},
	{"a file that vanished while it was read keeps its caption for when it comes back", func(l *library) {
		l.scan("a")
		claim := l.claimOne(alice, long)
		l.lose("a")
		l.commit(alice, 0, captionedAs(claim, photo("a")))
		l.restore("a")
		if file := l.file("a"); file.State != storage.Done {
			l.Errorf("got %+v", file)
		}
	}},
	{"a file that could not be read because it vanished has not failed", func(l *library) {
		l.scan("a")
		claim := l.claimOne(alice, long)
		l.lose("a")
		l.commit(alice, 1, failedAs(claim, storage.Failed, "io"))
		l.restore("a")
		l.claimOne(alice, long)
	}},
	{"text that no database takes costs nothing but itself", func(l *library) {
		odd := photo("a")
		odd.Camera, odd.Lens, odd.Text = "Nikon\x00\x00", "\xff\xfe 50mm", "A \xc3\x28 dog.\x00"
		odd.ExposureTime, odd.FNumber = math.Inf(1), math.MaxFloat64
		offset := 1 << 20
		odd.Title, odd.Keywords, odd.People, odd.Rating = "\xff", []string{"a\x00b", "\x00", "\xc3\x28"}, []string{""}, 99
		odd.Seen.Others = []storage.OtherCaption{{Text: "\x00A \xff."}}
		odd.Seen.Classes = []storage.ClassShare{{Class: 1, Probability: 7}, {Class: 2, Probability: -1}}
		odd.Taken = storage.Taken{Clock: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Offset: &offset}
		l.scan("a", "b", "c")
		claims := l.claim(alice, 3, long)
		failure := failedAs(claims[1], storage.Failed, "bad\x00")
		failure.Failure.Text = "\xe9t\xe9"
		l.commit(alice, 0, captionedAs(claims[0], odd), failure, captionedAs(claims[2], photo("c")))
		if got := l.shown("a").Photo; got.Camera != "Nikon" || got.Lens != "\uFFFD 50mm" ||
			got.Text != "A \uFFFD( dog." || got.Taken.Offset != nil {
			l.Errorf("got %+v", got)
		} else if got.Title != "\uFFFD" || !slices.Equal(got.Keywords, []string{"ab", "\uFFFD("}) || got.People != nil || got.Rating != 5 ||
			got.Seen.Others[0].Text != "A \uFFFD." || got.Seen.Classes[0].Probability != 1 || got.Seen.Classes[1].Probability != 0 {
			l.Errorf("got %+v, %+v", got.Metadata, got.Seen)
		}
	}},
	{"a result that makes no sense is an error, and nothing of its batch is stored", func(l *library) {
		l.scan("a", "b")
		claims := l.claim(alice, 2, long)
		unknown, unseen := photo("b"), photo("b")
		unknown.Model, unseen.Seen.Model = "never recorded", "nor this one"
		mixed := captionedAs(claims[1], photo("b"))
		mixed.PhotoID = photo("a").ID
		for what, bad := range map[string]storage.Result{
			"the model is unknown":     captionedAs(claims[1], unknown),
			"the seer is unknown":      captionedAs(claims[1], unseen),
			"the photo is another":     mixed,
			"there is no outcome":      {Claim: claims[1]},
			"the failure is a success": failedAs(claims[1], storage.Done, "fine"),
		} {
			n, err := l.store.Commit(l.Context(), alice, []storage.Result{captionedAs(claims[0], photo("a")), bad})
			if err == nil || n != 0 {
				l.Errorf("%s: committed %d, error %v", what, n, err)
			}
		}
		if got := l.counts(); got != (storage.Counts{Leased: 2}) {
			l.Errorf("counts %+v", got)
		}
		l.commit(alice, 0)
	}},
	{"a hundred results and more go in one commit", func(l *library) {
		var names []string
		for i := range 600 {
			names = append(names, strings.Repeat("x", i+1)[:min(i+1, 200)]+string(rune('a'+i%26))+"-"+time.Duration(i).String())
		}
		l.index(names...)
		if got := l.counts(); got != (storage.Counts{Done: 600}) {
			l.Errorf("counts %+v", got)
		}
	}},
	{"a caption is found by pixels and model, a person's whatever the model", func(l *library) {
		pixels := sha256.Sum256([]byte("the same pixels"))
		find := func(model string) (storage.Caption, bool) {
			caption, seen, ok, err := l.store.CaptionByPixels(l.Context(), pixels, model)
			l.must(err)
			if want := photo("any").Seen; ok && !reflect.DeepEqual(seen, want) || !ok && !reflect.DeepEqual(seen, storage.Seen{}) {
				l.Errorf("seen %+v, want %+v", seen, want)
			}
			return caption, ok
		}
		if caption, ok := find(model); ok {
			l.Errorf("found %+v where there is none", caption)
		}
		rated, edited := photo("rated"), photo("edited")
		rated.Pixels, edited.Pixels = pixels, pixels
		edited.Caption = storage.Caption{Text: "My dog Bo.", Edited: true}
		l.scan("rated")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), rated))
		if caption, ok := find(model); !ok || caption != rated.Caption {
			l.Errorf("found %+v, %v", caption, ok)
		}
		if caption, ok := find("another model"); ok {
			l.Errorf("another model's caption: %+v", caption)
		}
		l.scan("edited")
		l.commit(alice, 0, captionedAs(l.claimOne(alice, long), edited))
		for _, by := range []string{model, "another model"} {
			if caption, ok := find(by); !ok || caption != edited.Caption {
				l.Errorf("%s: found %+v, %v", by, caption, ok)
			}
		}
	}},
}
