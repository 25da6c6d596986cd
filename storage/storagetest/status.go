package storagetest

import (
	"fmt"
	"slices"
	"strings"
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
		l.must(l.store.EndScan(l.Context(), l.folder.ID, storage.ScanEnd{})) // changes no count
		if all, err = l.store.CountFiles(l.Context(), nil); err != nil || all != want {
			l.Errorf("after the scan: %+v, %v", all, err)
		}
	}},
	{"status has folders, photos, doubts and models", func(l *library) {
		l.must(l.store.RecordModel(l.Context(), "feed", "second model", storage.Vocabulary{}))
		l.must(l.store.RecordModel(l.Context(), "feed", "a new name does not matter", storage.Vocabulary{}))
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
		failures := l.failures(nil)
		if len(failures) != 2 {
			l.Fatalf("got %+v", failures)
		}
		for i, want := range []storage.FailedFile{
			{Path: root + "/failed", State: storage.Failed, Code: "truncated", Text: "It is truncated.", Place: storage.FailurePlace{Folder: root, Path: "failed"}},
			{Path: root + "/unsupported", State: storage.Unsupported, Code: "heic", Text: "It is heic.", Place: storage.FailurePlace{Folder: root, Path: "unsupported"}},
		} {
			want.Since, want.Attempts = failures[i].Since, 1
			if failures[i] != want || want.Since.IsZero() {
				l.Errorf("got %+v, want %+v", failures[i], want)
			}
		}
	}},
	{"failures come in pages, which go on behind one that is none any more", func(l *library) {
		inner := l.addFolder(root + "/inner") // whose files come after all of the outer
		l.scan("a", "inner/b", "z")
		l.must(l.store.ApplyScan(l.Context(), inner.ID, storage.ScanChanges{Upserts: stats("b", "\xff")}))
		claims, err := l.store.Claim(l.Context(), alice, []int64{l.folder.ID, inner.ID}, 10, long)
		l.must(err)
		for _, claim := range claims {
			l.commit(alice, 0, failedAs(claim, storage.Failed, "io"))
		}
		var after storage.FailurePlace
		for _, want := range []string{"/a", "/inner/b", "/z", "/inner/b", "/inner/\xff"} {
			page, err := l.store.FailuresAfter(l.Context(), after, 1)
			l.must(err)
			if len(page) != 1 || page[0].Path != root+want {
				l.Fatalf("behind %+v are %+v, want %s", after, page, want)
			}
			after = page[0].Place
			if want == "/z" { // it leaves the list, and the place remains
				_, err := l.store.RetryFailures(l.Context(), []string{root + want})
				l.must(err)
			}
		}
		if rest, err := l.store.FailuresAfter(l.Context(), after, 1); err != nil || len(rest) != 0 {
			l.Errorf("behind the last are %+v: %v", rest, err)
		}
		if all, err := l.store.FailuresAfter(l.Context(), storage.FailurePlace{}, 10); err != nil || len(all) != 4 {
			l.Errorf("of the four left are %+v: %v", all, err)
		}
	}},
	{"failures that are retried are pending, and remember since when they fail", func(l *library) {
		prepareEveryState(l)
		before := l.failures(nil)
		n, err := l.store.RetryFailures(l.Context(), nil)
		l.must(err)
		if n != 2 {
			l.Errorf("retried %d, want 2", n)
		}
		if left := l.failures(nil); len(left) != 0 {
			l.Errorf("left: %+v", left)
		}
		for _, claim := range l.claim(alice, 10, long) {
			switch claim.Path {
			case "failed":
				l.commit(alice, 0, failedAs(claim, storage.Failed, "io"))
			case "unsupported":
				l.commit(alice, 0, captionedAs(claim, photo("supported now")))
			}
		}
		after := l.failures(nil)
		if len(after) != 1 || after[0].Code != "io" || !after[0].Since.Equal(before[0].Since) {
			l.Errorf("failed again: %+v, first %+v", after, before)
		}
	}},
	{"thousands of failures are listed by folder and path, each once", func(l *library) {
		other := l.addFolder("/other")
		var names []string
		for i := range 2500 {
			names = append(names, fmt.Sprintf("%s/%d", strings.Repeat("x", i%3*1500), i))
		}
		l.scan(names...)
		l.must(l.store.ApplyScan(l.Context(), other.ID, storage.ScanChanges{Upserts: stats("theirs")}))
		claims, err := l.store.Claim(l.Context(), alice, []int64{l.folder.ID, other.ID}, len(names)+1, long)
		l.must(err)
		var results []storage.Result
		for _, claim := range claims {
			results = append(results, failedAs(claim, storage.Failed, "truncated"))
		}
		l.commit(alice, 0, results...)
		var want []string
		for _, name := range names {
			want = append(want, root+"/"+name)
		}
		slices.Sort(want)
		if got := l.failures([]int64{l.folder.ID}); !slices.EqualFunc(got, want, func(f storage.FailedFile, path string) bool { return f.Path == path }) {
			l.Errorf("of one folder: %d failures", len(got))
		}
		if got := l.failures(nil); len(got) != len(names)+1 || got[0].Path != "/other/theirs" {
			l.Errorf("of all folders: %d failures", len(got))
		}
		for range l.store.Failures(l.Context(), nil) {
			break // whoever has seen enough may stop
		}
	}},
	{"failures at or below a path are retried, and no others", func(l *library) {
		names := []string{"a", "a/1", "a/2", "a2", "b/a/1"}
		l.scan(names...)
		for _, claim := range l.claim(alice, len(names), long) {
			l.commit(alice, 0, failedAs(claim, storage.Failed, "truncated"))
		}
		for _, step := range []struct {
			paths []string
			want  int
		}{{[]string{}, 0}, {[]string{"/else", root + "/c"}, 0}, {[]string{root + "/a/2"}, 1}, {[]string{root + "/a", root + "/a/1"}, 2}, {[]string{root}, 2}} {
			n, err := l.store.RetryFailures(l.Context(), step.paths)
			l.must(err)
			if n != step.want {
				l.Errorf("below %q: %d retried, want %d", step.paths, n, step.want)
			}
		}
	}},
	{"failures are counted by reason, the most first", func(l *library) {
		l.scan("1", "2", "3", "4", "5", "gone")
		for _, claim := range l.claim(alice, 6, long) {
			result := failedAs(claim, storage.Failed, "io")
			switch claim.Path {
			case "1":
				result = failedAs(claim, storage.Unsupported, "heic")
			case "2", "3":
				result.Failure.RetryIn = long
			case "5":
				result = failedAs(claim, storage.Failed, "heic")
			}
			l.commit(alice, 0, result)
		}
		l.lose("gone")
		status, err := l.store.Status(l.Context())
		l.must(err)
		want := []storage.Reason{
			{State: storage.Failed, Code: "io", Files: 3, Retrying: 2},
			{State: storage.Failed, Code: "heic", Files: 1},
			{State: storage.Unsupported, Code: "heic", Files: 1},
		}
		if !slices.Equal(status.Reasons, want) || status.Total.Retrying != 2 {
			l.Errorf("got %+v and %+v, want %+v", status.Reasons, status.Total, want)
		}
	}},
	{"workers are listed with what they hold and how fast they are", func(l *library) {
		l.index("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
		l.scan("more")
		l.claimOne(bob, long)
		status, err := l.store.Status(l.Context())
		l.must(err)
		if len(status.Workers) != 2 {
			l.Fatalf("workers are %+v", status.Workers)
		}
		held, done := status.Workers[0], status.Workers[1]
		if held.Owner != bob || held.Files != 1 || held.PerSecond != 0 {
			l.Errorf("who holds a lease is %+v", held)
		}
		// Ten at once, measured by five seconds at the least.
		if done.Owner != alice || done.Files != 0 || done.PerSecond <= 0 || done.PerSecond > 2 {
			l.Errorf("who finished ten files is %+v", done)
		}
	}},
}

func (l *library) failures(folderIDs []int64) []storage.FailedFile {
	l.Helper()
	var all []storage.FailedFile
	for f, err := range l.store.Failures(l.Context(), folderIDs) {
		l.must(err)
		all = append(all, f)
	}
	return all
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
