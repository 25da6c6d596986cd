package storagetest

import (
	"time"

	"shoebox/storage"
)

var statusTests = []test{
	{"files are counted by state, missing ones apart", func(l *library) {
		prepareEveryState(l)
		want := storage.Counts{Pending: 1, Leased: 1, Done: 2, Failed: 1, Unsupported: 1, Missing: 2}
		if got := l.counts(); got != want {
			l.Errorf("got %+v, want %+v", got, want)
		}
		other := l.addFolder("/other")
		l.must(l.store.ApplyScan(l.Context(), other.ID, storage.ScanChanges{Upserts: stats("x")}))
		all, err := l.store.CountFiles(l.Context(), nil)
		l.must(err)
		none, err := l.store.CountFiles(l.Context(), []int64{})
		l.must(err)
		want.Pending++
		if all != want || none != (storage.Counts{}) {
			l.Errorf("all %+v, of no folder %+v", all, none)
		}
		l.must(l.store.EndScan(l.Context(), l.folder.ID, true)) // changes no count
		if all, err = l.store.CountFiles(l.Context(), nil); err != nil || all != want {
			l.Errorf("after the scan: %+v, %v", all, err)
		}
	}},
	{"status has folders, photos, doubts and models", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), "feed", "second model"))
		l.must(l.store.RecordModel(l.Context(), "feed", "a new name does not matter"))
		prepareEveryState(l)
		l.scan("unsure", "edited")
		claims := l.claim(alice, 2, long)
		unsure, edited := photo("unsure"), photo("edited")
		unsure.Unsure = true
		edited.Caption = storage.Caption{Text: "Mine.", Model: model, Unsure: true, Edited: true}
		for i, p := range []*storage.Photo{unsure, edited} {
			l.commit(alice, 0, captionedAs(claims[i], p))
		}
		status, err := l.store.Status(l.Context())
		l.must(err)
		// Three from prepareEveryState: the caption of a missing file stays.
		if status.Photos != 5 || status.Unsure != 1 {
			l.Errorf("%d photos, %d unsure", status.Photos, status.Unsure)
		}
		if len(status.Folders) != 1 || status.Folders[0].Folder != l.folder || status.Folders[0].Counts != status.Total ||
			status.Total != l.counts() {
			l.Errorf("folders %+v, total %+v", status.Folders, status.Total)
		}
		if len(status.Models) != 2 || status.Models[0].Hash != "feed" || status.Models[0].Name != "second model" ||
			status.Models[0].Captions != 0 || status.Models[1].Captions != 4 {
			l.Errorf("models %+v", status.Models)
		}
		if age := time.Since(status.Models[0].FirstSeen); age > time.Hour || age < -time.Hour {
			l.Errorf("first seen %s ago", age)
		}
	}},
	{"an empty storage has an empty status", func(l *library) {
		l.must(l.store.ForgetFolder(l.Context(), root))
		status, err := l.store.Status(l.Context())
		l.must(err)
		if len(status.Folders) != 0 || status.Photos != 0 || status.Total != (storage.Counts{}) {
			l.Errorf("got %+v", status)
		}
	}},
	{"failures are listed by path with their reasons", func(l *library) {
		prepareEveryState(l)
		failures, err := l.store.Failures(l.Context())
		l.must(err)
		if len(failures) != 2 {
			l.Fatalf("got %+v", failures)
		}
		for i, want := range []storage.FailedFile{
			{Path: root + "/failed", State: storage.Failed, Code: "truncated", Text: "It is truncated."},
			{Path: root + "/unsupported", State: storage.Unsupported, Code: "heic", Text: "It is heic."},
		} {
			want.Since = failures[i].Since
			if failures[i] != want || want.Since.IsZero() {
				l.Errorf("got %+v, want %+v", failures[i], want)
			}
		}
	}},
	{"failures that are retried are pending, and remember since when they fail", func(l *library) {
		prepareEveryState(l)
		before, err := l.store.Failures(l.Context())
		l.must(err)
		n, err := l.store.RetryFailures(l.Context())
		l.must(err)
		if n != 2 {
			l.Errorf("retried %d, want 2", n)
		}
		if left, err := l.store.Failures(l.Context()); err != nil || len(left) != 0 {
			l.Errorf("left: %+v, %v", left, err)
		}
		for _, claim := range l.claim(alice, 10, long) {
			switch claim.Path {
			case "failed":
				l.commit(alice, 0, failedAs(claim, storage.Failed, "io"))
			case "unsupported":
				l.commit(alice, 0, captionedAs(claim, photo("supported now")))
			}
		}
		after, err := l.store.Failures(l.Context())
		l.must(err)
		if len(after) != 1 || after[0].Code != "io" || !after[0].Since.Equal(before[0].Since) {
			l.Errorf("failed again: %+v, first %+v", after, before)
		}
	}},
}

// prepareEveryState makes a library with files in every state, present and
// missing.
func prepareEveryState(l *library) {
	l.Helper()
	l.index("done 1", "done 2", "done and gone")
	l.scan("failed", "unsupported", "failed and gone", "leased")
	for _, claim := range l.claim(alice, 4, long) {
		switch claim.Path {
		case "failed", "failed and gone":
			l.commit(alice, 0, failedAs(claim, storage.Failed, "truncated"))
		case "unsupported":
			l.commit(alice, 0, failedAs(claim, storage.Unsupported, "heic"))
		}
	}
	l.lose("done and gone", "failed and gone")
	l.scan("pending")
}
