package storagetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"shoebox/storage"
)

var scanTests = []test{
	{"new files are pending, with the size and time that were seen", func(l *library) {
		l.scan("b.jpg", "a/b.jpg")
		known := l.known()
		if len(known) != 2 {
			l.Fatalf("known: %+v", known)
		}
		for i, want := range stats("a/b.jpg", "b.jpg") {
			if got := known[i]; got.FileStat != want || got.State != storage.Pending || got.Missing || got.DecoderVersion != 0 {
				l.Errorf("got %+v, want %+v", got, want)
			}
		}
	}},
	{"names of any bytes come back as they are and in byte order", func(l *library) {
		names := hardNames()
		l.scan(names...)
		l.scan(names...) // again: the same files
		var got []string
		for _, file := range l.known() {
			got = append(got, file.Path)
		}
		slices.Sort(names)
		if !slices.Equal(got, names) {
			l.Errorf("got %d names, want %d:\n%.300q\n%.300q", len(got), len(names), got, names)
		}
		for _, claim := range l.claim(alice, len(names), long) {
			if !slices.Contains(names, claim.Path) || claim.FolderPath != root {
				l.Errorf("claimed %.300q in %q", claim.Path, claim.FolderPath)
			}
		}
	}},
	{"a large folder is streamed in order, each file once", func(l *library) {
		const n = 12_000
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("%02d/%s.jpg", i%10, strings.Repeat("x", i/10%7)+fmt.Sprint(i))
		}
		for part := range slices.Chunk(names, 5000) {
			l.scan(part...)
		}
		var got []string
		for _, file := range l.known() {
			got = append(got, file.Path)
		}
		slices.Sort(names)
		if !slices.Equal(got, names) {
			l.Errorf("streamed %d files, want %d in order", len(got), n)
		}
	}},
	{"a stream can be left early", func(l *library) {
		l.scan("a", "b", "c")
		for file, err := range l.store.KnownFiles(l.Context(), l.folder.ID) {
			l.must(err)
			if file.Path != "a" {
				l.Fatalf("went on to %q", file.Path)
			}
			break
		}
	}},
	{"a file named twice in a part is one file, as it was seen last", func(l *library) {
		files := stats("a", "a")
		files[1].Size = 5
		l.must(l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{Upserts: files}))
		if known := l.known(); len(known) != 1 || known[0].Size != 5 {
			l.Errorf("known: %+v", known)
		}
	}},
	{"a changed file is pending again and keeps its caption until it has been read", func(l *library) {
		l.index("a")
		l.touch("a")
		if file := l.file("a"); file.State != storage.Pending || file.ModTime != modified+1 {
			l.Errorf("got %+v", file)
		}
		if shown := l.shown("a"); len(shown.Paths) != 1 {
			l.Errorf("shown at %q", shown.Paths)
		}
	}},
	{"a file that another scan brought in already keeps its state", func(l *library) {
		l.index("done")
		l.scan("leased")
		claim := l.claimOne(alice, long)
		l.scan("done", "leased")
		if file := l.file("done"); file.State != storage.Done {
			l.Errorf("the captioned one is %s", file.State)
		}
		l.commit(alice, 0, captionedAs(claim, photo("leased")))
	}},
	{"a file that failed is pending again when a scan asks for it", func(l *library) {
		l.scan("a", "b")
		claims := l.claim(alice, 2, long)
		l.commit(alice, 0, failedAs(claims[0], storage.Failed, "io"), failedAs(claims[1], storage.Unsupported, "heic"))
		if file := l.file("b"); file.State != storage.Unsupported || file.DecoderVersion != 7 {
			l.Errorf("before: %+v", file)
		}
		l.scan("a", "b")
		for _, file := range l.known() {
			if file.State != storage.Pending || file.DecoderVersion != 0 {
				l.Errorf("after: %+v", file)
			}
		}
	}},
	{"a missing file is not claimed, and is as it was when it comes back", func(l *library) {
		l.index("done")
		l.scan("pending")
		l.lose("done", "pending")
		if claims := l.claim(alice, 10, long); len(claims) != 0 {
			l.Errorf("claimed %+v", claims)
		}
		for _, file := range l.known() {
			if !file.Missing {
				l.Errorf("%q is not missing", file.Path)
			}
		}
		l.restore("done", "pending")
		if file := l.file("done"); file.Missing || file.State != storage.Done {
			l.Errorf("back: %+v", file)
		}
		if claim := l.claimOne(alice, long); claim.Path != "pending" {
			l.Errorf("claimed %q", claim.Path)
		}
	}},
	{"a missing file that comes back changed is pending", func(l *library) {
		l.index("a")
		l.lose("a")
		l.touch("a")
		if file := l.file("a"); file.Missing || file.State != storage.Pending {
			l.Errorf("got %+v", file)
		}
	}},
	{"a missing file that another scan sees unchanged is present", func(l *library) {
		l.index("a")
		l.lose("a")
		l.scan("a")
		if file := l.file("a"); file.Missing || file.State != storage.Done {
			l.Errorf("got %+v", file)
		}
	}},
	{"a missing file whose lease has ended is not claimed", func(l *library) {
		l.scan("a")
		l.claimOne(alice, 1)
		l.lose("a")
		outlive(l.Context())
		if claims := l.claim(bob, 1, long); len(claims) != 0 {
			l.Errorf("claimed %+v", claims)
		}
		l.restore("a")
		l.claimOne(bob, long)
	}},
	{"a scan cannot touch another folder's files", func(l *library) {
		l.index("a")
		other := l.addFolder("/other")
		err := l.store.ApplyScan(l.Context(), other.ID, storage.ScanChanges{Missing: l.ids("a")})
		if err == nil || l.file("a").Missing {
			l.Errorf("error %v, and now %+v", err, l.file("a"))
		}
	}},
	{"a scan that found nothing new changes nothing", func(l *library) {
		l.index("a")
		_, cursor := l.feed(storage.Cursor{})
		l.must(l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{}))
		if changes, _ := l.feed(cursor); len(changes) != 0 {
			l.Errorf("the feed has %+v", changes)
		}
	}},
}

// hardNames are names that Linux takes: all bytes but NUL, in parts of up to
// 255 bytes, 4,095 in all.
func hardNames() []string {
	names := []string{
		"plain.jpg", "with space.jpg", "new\nline.jpg", `quo"te's.jpg`, `back\slash.jpg`, "%s{}$1;--.jpg",
		"latin1-\xe9.jpg", "\xff\xfe\xfd", "\x01", "ü.jpg", "u\u0308.jpg", "🐕/🐈.jpg", "~", ".hidden",
		strings.Repeat("n", 250), strings.Repeat("\xf0", 255), "A", "a", "a/b", "a.b", "a0", "ab",
	}
	// Paths that differ only past what an index entry holds, and cannot be
	// compressed into one.
	random := rand.New(rand.NewPCG(1, 2))
	deep := make([]byte, 4000)
	for i := range deep {
		deep[i] = byte(1 + random.IntN(255))
		if i%200 == 199 || deep[i] == '/' {
			deep[i] = 'd'
		}
		if i%200 == 199 {
			deep[i] = '/'
		}
	}
	deep = bytes.TrimSuffix(deep, []byte("/"))
	for _, length := range []int{1999, 2000, 2001, 2700, 3500, len(deep)} {
		names = append(names, string(deep[:length]), string(deep[:length-1])+"!", string(deep[:length-1])+"\xff")
	}
	slices.Sort(names)
	return slices.Compact(names)
}
