// Package storagetest holds the tests that every storage.Store must pass, and
// the Postgres server that tests run on.
//
// It knows nothing of how a Store works inside: what only one implementation
// promises is tested beside it.
package storagetest

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"shoebox/storage"
)

// Run tests a Store. open returns a Store for a test: calls with the same t
// return Stores over the same data, as two processes would have them; another
// t gets data of its own. The test closes none of them, open sees to that.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"folders", folderTests},
		{"scan", scanTests},
		{"look", lookTests},
		{"queue", queueTests},
		{"commit", commitTests},
		{"feed", feedTests},
		{"seen", seenTests},
		{"sidecars", sidecarTests},
		{"edits", editTests},
		{"photos", photosTests},
		{"status", statusTests},
		{"recaption", recaptionTests},
		{"many at once", concurrencyTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.says, func(t *testing.T) {
					test.run(newLibrary(t, open))
				})
			}
		})
	}
}

// test is a rule and what shows it, on a library without files.
type test struct {
	says string
	run  func(*library)
}

// Two workers, and the end of a lease that no test reaches.
var (
	alice = storage.Owner{Machine: "desk", PID: 100, StartedAt: 5000}
	bob   = storage.Owner{Machine: "attic", PID: 200, StartedAt: 6000}
)

const long = time.Hour

// library is a Store with one folder, and calls that fail the test by
// themselves.
type library struct {
	*testing.T
	store  storage.Store
	open   func() storage.Store // another Store over the same data
	folder storage.Folder
}

const (
	root  = "/photos"
	model = "0123456789abcdef"
)

func newLibrary(t *testing.T, open func(t *testing.T) storage.Store) *library {
	l := &library{T: t, store: open(t), open: func() storage.Store { return open(t) }}
	l.folder = l.addFolder(root)
	l.must(l.store.RecordModel(l.Context(), model, "first model", storage.Vocabulary{}))
	return l
}

func (l *library) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *library) addFolder(path string) storage.Folder {
	l.Helper()
	folder, err := l.store.AddFolder(l.Context(), path)
	l.must(err)
	return folder
}

// modified is when the files of the tests were modified, in nanoseconds.
const modified = 1_700_000_000_123_456_789

// scan records files as seen in the library's folder.
func (l *library) scan(paths ...string) {
	l.Helper()
	l.must(l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{Upserts: stats(paths...)}))
}

// touch records files as changed since.
func (l *library) touch(paths ...string) {
	l.Helper()
	files := stats(paths...)
	for i := range files {
		files[i].ModTime++
	}
	l.must(l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{Upserts: files}))
}

func (l *library) lose(paths ...string) {
	l.Helper()
	l.must(l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{Missing: l.ids(paths...)}))
}

func (l *library) restore(paths ...string) {
	l.Helper()
	l.must(l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{Restored: l.ids(paths...)}))
}

func stats(paths ...string) []storage.FileStat {
	var files []storage.FileStat
	for _, path := range paths {
		files = append(files, storage.FileStat{Path: path, Size: 1000 + int64(len(path)), ModTime: modified})
	}
	return files
}

// known lists what is known of the library's folder.
func (l *library) known() []storage.KnownFile {
	l.Helper()
	var files []storage.KnownFile
	for file, err := range l.store.KnownFiles(l.Context(), l.folder.ID) {
		l.must(err)
		files = append(files, file)
	}
	return files
}

func (l *library) file(path string) storage.KnownFile {
	l.Helper()
	for _, file := range l.known() {
		if file.Path == path {
			return file
		}
	}
	l.Fatalf("%q is not known", path)
	return storage.KnownFile{}
}

func (l *library) ids(paths ...string) []int64 {
	l.Helper()
	var ids []int64
	for _, path := range paths {
		ids = append(ids, l.file(path).ID)
	}
	return ids
}

func (l *library) claim(owner storage.Owner, n int, ttl time.Duration) []storage.Claim {
	l.Helper()
	claims, err := l.store.Claim(l.Context(), owner, []int64{l.folder.ID}, n, ttl)
	l.must(err)
	return claims
}

// claimOne claims the one file that is to be had.
func (l *library) claimOne(owner storage.Owner, ttl time.Duration) storage.Claim {
	l.Helper()
	claims := l.claim(owner, 2, ttl)
	if len(claims) != 1 {
		l.Fatalf("claimed %d files, want 1", len(claims))
	}
	return claims[0]
}

// commit wants all results but lost of them to count.
func (l *library) commit(owner storage.Owner, lost int, results ...storage.Result) {
	l.Helper()
	committed, err := l.store.Commit(l.Context(), owner, results)
	l.must(err)
	if committed != len(results)-lost {
		l.Fatalf("%d of %d results committed, want %d", committed, len(results), len(results)-lost)
	}
}

// index brings files from a scan to captions, each with the content that is
// its path.
func (l *library) index(paths ...string) {
	l.Helper()
	l.scan(paths...)
	var results []storage.Result
	for _, claim := range l.claim(alice, len(paths), long) {
		results = append(results, captionedAs(claim, photo(claim.Path)))
	}
	l.commit(alice, 0, results...)
}

// feed reads all that changed after a cursor, and where to go on.
func (l *library) feed(after storage.Cursor) ([]storage.Change, storage.Cursor) {
	l.Helper()
	changes, err := l.store.Changes(l.Context(), after, 1000)
	l.must(err)
	if changes.More {
		l.Fatal("more than 1,000 changes")
	}
	return changes.Items, changes.Next
}

// shown is the photo of some content, as the feed has it last.
func (l *library) shown(content string) storage.Change {
	l.Helper()
	items, _ := l.feed(storage.Cursor{})
	for _, item := range items {
		if item.Photo.ID == photo(content).ID {
			return item
		}
	}
	l.Fatalf("%q is not in the feed", content)
	return storage.Change{}
}

func (l *library) counts() storage.Counts {
	l.Helper()
	counts, err := l.store.CountFiles(l.Context(), []int64{l.folder.ID})
	l.must(err)
	return counts
}

// photo is a captioned photo of some content.
func photo(content string) *storage.Photo {
	return &storage.Photo{
		ID:     sha256.Sum256([]byte(content)),
		Pixels: sha256.Sum256([]byte("pixels of " + content)),
		Format: "jpeg", Width: 4000, Height: 3000,
		Caption: storage.Caption{Text: "A photo of " + content + ".", Score: -0.5, Model: model},
		Seen:    seenBy(model),
	}
}

// seenBy is what a model says of a picture besides its caption.
func seenBy(model string) storage.Seen {
	return storage.Seen{
		Others:  []storage.OtherCaption{{Text: "A picture by " + model + ".", Likelihood: -7.125}, {Text: "A thing.", Likelihood: -6.5}},
		Words:   []byte(model),
		Classes: []storage.ClassShare{{Class: 999, Probability: 1}, {Class: 0, Probability: 51.0 / 255}},
		Model:   model,
	}
}

func captionedAs(claim storage.Claim, p *storage.Photo) storage.Result {
	return storage.Result{Claim: claim, PhotoID: p.ID, Photo: p}
}

func linkedTo(claim storage.Claim, id storage.PhotoID) storage.Result {
	return storage.Result{Claim: claim, PhotoID: id}
}

func failedAs(claim storage.Claim, state storage.FileState, code string) storage.Result {
	failure := &storage.Failure{State: state, Code: code, Text: "It is " + code + "."}
	if state == storage.Unsupported {
		failure.DecoderVersion = 7
	}
	return storage.Result{Claim: claim, Failure: failure}
}

// outlive waits until a lease of a millisecond has ended for certain.
func outlive(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(30 * time.Millisecond):
	}
}
