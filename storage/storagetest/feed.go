package storagetest

import (
	"fmt"
	"slices"

	"shoebox/storage"
)

var feedTests = []test{
	{"the zero cursor begins the feed and is not a restart", func(l *library) {
		l.index("a", "b")
		changes, err := l.store.Changes(l.Context(), storage.Cursor{}, 10)
		l.must(err)
		if len(changes.Items) != 2 || changes.Restart || changes.More || changes.Next.Epoch == "" {
			l.Errorf("got %+v", changes)
		}
	}},
	{"an empty feed has a cursor that goes on", func(l *library) {
		none, cursor := l.feed(storage.Cursor{})
		if len(none) != 0 || cursor.Epoch == "" {
			l.Errorf("got %+v, cursor %+v", none, cursor)
		}
		l.index("a")
		if changes, _ := l.feed(cursor); len(changes) != 1 {
			l.Errorf("then %+v", changes)
		}
	}},
	{"a cursor skips what was read, until it changes", func(l *library) {
		l.index("a", "b")
		_, cursor := l.feed(storage.Cursor{})
		if changes, next := l.feed(cursor); len(changes) != 0 || next != cursor {
			l.Errorf("nothing changed, but %+v, cursor %+v", changes, next)
		}
		l.scan("c")
		l.commit(alice, 0, linkedTo(l.claimOne(alice, long), photo("b").ID))
		changes, _ := l.feed(cursor)
		if len(changes) != 1 || changes[0].Photo.Text != photo("b").Text ||
			!slices.Equal(changes[0].Paths, []string{root + "/b", root + "/c"}) {
			l.Errorf("got %+v", changes)
		}
	}},
	{"leases, failures and new files do not show", func(l *library) {
		l.index("a")
		_, cursor := l.feed(storage.Cursor{})
		l.scan("b", "c")
		claims := l.claim(alice, 1, long)
		l.must(l.store.ExtendLeases(l.Context(), alice, long))
		l.commit(alice, 0, failedAs(claims[0], storage.Failed, "truncated"))
		l.touch("a")
		l.must(l.store.EndScan(l.Context(), l.folder.ID, storage.ScanEnd{Problem: "it is gone"}))
		_, err := l.store.RetryFailures(l.Context(), nil)
		l.must(err)
		if changes, _ := l.feed(cursor); len(changes) != 0 {
			l.Errorf("got %+v", changes)
		}
	}},
	{"a photo is shown where its present files are", func(l *library) {
		l.index("same")
		other := l.addFolder("/other")
		l.must(l.store.ApplyScan(l.Context(), other.ID, storage.ScanChanges{Upserts: stats("\xff\n.jpg")}))
		claims, err := l.store.Claim(l.Context(), alice, []int64{other.ID}, 1, long)
		l.must(err)
		l.commit(alice, 0, linkedTo(claims[0], photo("same").ID))
		_, cursor := l.feed(storage.Cursor{})
		for _, step := range []struct {
			what string
			do   func()
			want []string
		}{
			{"one file goes", func() { l.lose("same") }, []string{"/other/\xff\n.jpg"}},
			{"it comes back", func() { l.restore("same") }, []string{"/other/\xff\n.jpg", "/photos/same"}},
			{"the other's folder is forgotten", func() { l.must(l.store.ForgetFolder(l.Context(), "/other")) }, []string{"/photos/same"}},
			{"the last file goes", func() { l.lose("same") }, nil},
			{"it comes back again", func() { l.restore("same") }, []string{"/photos/same"}},
			{"its folder is forgotten", func() { l.must(l.store.ForgetFolder(l.Context(), root)) }, nil},
		} {
			step.do()
			var changes []storage.Change
			changes, cursor = l.feed(cursor)
			if len(changes) != 1 || !slices.Equal(changes[0].Paths, step.want) {
				l.Errorf("when %s: %+v, want paths %q", step.what, changes, step.want)
			}
		}
	}},
	{"a file under two roots has one path", func(l *library) {
		l.index("trip/a")
		nested := l.addFolder(root + "/trip")
		l.must(l.store.ApplyScan(l.Context(), nested.ID, storage.ScanChanges{Upserts: stats("a")}))
		claims, err := l.store.Claim(l.Context(), alice, []int64{nested.ID}, 1, long)
		l.must(err)
		l.commit(alice, 0, linkedTo(claims[0], photo("trip/a").ID))
		shown := l.shown("trip/a")
		if !slices.Equal(shown.Paths, []string{root + "/trip/a"}) || !slices.Equal(shown.Roots, []string{root}) {
			l.Errorf("shown at %q of %q", shown.Paths, shown.Roots)
		}
	}},
	{"files of the root folder have paths with one slash", func(l *library) {
		slash := l.addFolder("/")
		l.must(l.store.ApplyScan(l.Context(), slash.ID, storage.ScanChanges{Upserts: stats("a")}))
		claims, err := l.store.Claim(l.Context(), alice, []int64{slash.ID}, 1, long)
		l.must(err)
		l.commit(alice, 0, captionedAs(claims[0], photo("a")))
		if shown := l.shown("a"); !slices.Equal(shown.Paths, []string{"/a"}) || !slices.Equal(shown.Roots, []string{"/"}) {
			l.Errorf("shown at %q of %q", shown.Paths, shown.Roots)
		}
	}},
	{"a feed read in small pieces has every photo once", func(l *library) {
		var names []string
		for i := range 25 {
			names = append(names, fmt.Sprintf("photo %d", i))
		}
		l.index(names[:13]...) // one transaction, cut by the pieces
		l.index(names[13:]...)
		seen := make(map[storage.PhotoID]int)
		var cursor storage.Cursor
		for piece := 1; ; piece++ {
			changes, err := l.store.Changes(l.Context(), cursor, 4)
			l.must(err)
			for _, item := range changes.Items {
				seen[item.Photo.ID]++
			}
			if changes.More != (piece < 7) || changes.Restart {
				l.Fatalf("piece %d: more %v, restart %v", piece, changes.More, changes.Restart)
			}
			cursor = changes.Next
			if !changes.More {
				break
			}
		}
		for id, n := range seen {
			if n != 1 {
				l.Errorf("%s came %d times", id, n)
			}
		}
		if len(seen) != len(names) {
			l.Errorf("%d photos, want %d", len(seen), len(names))
		}
	}},
	{"how far a reader is behind is counted, up to a bound", func(l *library) {
		l.index("a", "b", "c")
		for _, c := range []struct{ most, want int }{{10, 3}, {2, 2}} {
			lag, err := l.store.Lag(l.Context(), storage.Cursor{}, c.most)
			l.must(err)
			if lag != (storage.Lag{Photos: c.want}) {
				l.Errorf("counting up to %d: %+v", c.most, lag)
			}
		}
		_, cursor := l.feed(storage.Cursor{})
		if lag, err := l.store.Lag(l.Context(), cursor, 10); err != nil || lag != (storage.Lag{}) {
			l.Errorf("at the end: %+v, %v", lag, err)
		}
		l.must(l.store.EditCaption(l.Context(), photo("b").ID, "Mine."))
		if lag, err := l.store.Lag(l.Context(), cursor, 10); err != nil || lag != (storage.Lag{Photos: 1}) {
			l.Errorf("after an edit: %+v, %v", lag, err)
		}
		cursor.Epoch = "11111111-2222-3333-4444-555555555555"
		if lag, err := l.store.Lag(l.Context(), cursor, 10); err != nil || lag != (storage.Lag{Restart: true, Photos: 3}) {
			l.Errorf("from another epoch: %+v, %v", lag, err)
		}
	}},
	{"a photo is shown as long as a present file has it", func(l *library) {
		l.index("a", "b")
		l.lose("b")
		shown, err := l.store.Shown(l.Context(), []storage.PhotoID{photo("a").ID, photo("b").ID, photo("never seen").ID})
		l.must(err)
		if len(shown) != 1 || !shown[photo("a").ID] {
			l.Errorf("shown are %v", shown)
		}
		l.restore("b")
		if shown, err := l.store.Shown(l.Context(), []storage.PhotoID{photo("b").ID}); err != nil || !shown[photo("b").ID] {
			l.Errorf("after its file came back: %v, %v", shown, err)
		}
	}},
	{"the cursor of another database starts again from the beginning", func(l *library) {
		l.index("a")
		_, cursor := l.feed(storage.Cursor{})
		foreign := cursor
		foreign.Epoch = "11111111-2222-3333-4444-555555555555"
		ahead := cursor
		ahead.XID += 1_000_000 // of a copy that went on
		for what, cursor := range map[string]storage.Cursor{"another epoch": foreign, "ahead": ahead} {
			changes, err := l.store.Changes(l.Context(), cursor, 10)
			l.must(err)
			if !changes.Restart || len(changes.Items) != 1 {
				l.Errorf("%s: got %+v", what, changes)
			}
			if again, err := l.store.Changes(l.Context(), changes.Next, 10); err != nil || again.Restart || len(again.Items) != 0 {
				l.Errorf("%s: then %+v, %v", what, again, err)
			}
		}
	}},
}
