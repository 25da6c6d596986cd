package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"shoebox/search"
	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

// machines are two that share a database and nothing else: one writes, the
// other shows what is in the database by an index of its own.
type machines struct {
	t              *testing.T
	writer, reader *testLibrary
	root           string // of the photos
	store          *postgres.Store
}

func newMachines(t *testing.T) *machines {
	t.Helper()
	m := &machines{t: t, writer: newTestLibrary(t), reader: newTestLibrary(t), root: t.TempDir()}
	m.writer.database = storagetest.Server(t)
	m.reader.database = m.writer.database
	m.writer.must(exitDone, "migrate")
	var err error
	if m.store, err = postgres.Open(t.Context(), m.writer.database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.store.Close)
	return m
}

// serve starts the reader.
func (m *machines) serve() *served { return m.reader.serve("serve", "--listen", "127.0.0.1:0") }

// kill ends a process as a power cut does.
func (s *served) kill() {
	s.ended = true
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// connect opens a connection that goes by a name.
func (m *machines) connect(name string) *pgx.Conn {
	m.t.Helper()
	config, err := pgx.ParseConfig(m.writer.database)
	if err != nil {
		m.t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = name
	conn, err := pgx.ConnectConfig(m.t.Context(), config)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (m *machines) edit(photo, caption string) {
	m.t.Helper()
	id, err := storage.ParsePhotoID(photo)
	if err == nil {
		err = m.store.EditCaption(m.t.Context(), id, caption)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// documents is all that a machine's index holds, by photo.
func (l *testLibrary) documents() map[string]search.Hit {
	l.t.Helper()
	index, err := search.Open(l.t.Context(), filepath.Join(l.data, "search"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer index.Close()
	const most = 1000
	hits, err := index.Documents(l.t.Context(), "", most)
	if err != nil || len(hits) == most {
		l.t.Fatalf("%d documents, %v", len(hits), err)
	}
	documents := make(map[string]search.Hit, len(hits))
	for _, hit := range hits {
		if _, twice := documents[hit.Photo]; twice {
			l.t.Errorf("photo %s is there twice", hit.Photo)
		}
		documents[hit.Photo] = hit
	}
	return documents
}

// catchUp has a machine's index, whoever holds it, take over what is in a
// database.
func (l *testLibrary) catchUp(feed search.Feed) {
	l.t.Helper()
	if _, err := search.CatchUp(l.t.Context(), filepath.Join(l.data, "search"), feed); err != nil {
		l.t.Fatal(err)
	}
}

// agree checks that both indexes hold the same, and what the database holds.
func (m *machines) agree(photos int) {
	m.t.Helper()
	for _, l := range []*testLibrary{m.writer, m.reader} {
		l.catchUp(m.store)
		if s := l.status(); s.Index.Photos != photos || s.Index.Behind {
			m.t.Errorf("the index in %s is %+v, want %d photos", l.data, s.Index, photos)
		}
		if got := l.verify(exitDone); len(got) != 0 {
			m.t.Errorf("differences in %s: %v", l.data, got)
		}
	}
	written, err := json.Marshal(m.writer.documents())
	if err != nil {
		m.t.Fatal(err)
	}
	read, err := json.Marshal(m.reader.documents())
	if err != nil {
		m.t.Fatal(err)
	}
	if string(written) != string(read) {
		m.t.Errorf("the writer's index holds %s\nand the reader's %s", written, read)
	}
}

func TestAReaderFollowsWhileAWriterCaptionsAndAfterItWasDown(t *testing.T) {
	t.Parallel()
	m := newMachines(t)
	const photos = 60
	writeLibrary(t, m.root, photos)
	reader := m.serve()
	run := m.writer.begin(m.writer.command(t.Context(), "index", "--threads=1", m.root))
	// The writer is held in the midst of its work, as soon as there are captions.
	holding := m.connect("holding")
	captions := 0
	count := func() int {
		if err := holding.QueryRow(t.Context(), `SELECT count(*) FROM photos WHERE caption IS NOT NULL`).Scan(&captions); err != nil {
			t.Fatal(err)
		}
		return captions
	}
	run.await("the first captions", func() bool { return count() > 0 })
	hold, err := holding.Begin(t.Context())
	if err == nil {
		_, err = hold.Exec(t.Context(), `LOCK TABLE photos IN SHARE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	if count() == photos {
		t.Fatal("all was captioned before the writer could be held")
	}
	reader.until("what is captioned so far is shown", func() bool { return reader.search("").Total == uint64(captions) })
	reader.kill()
	if err := hold.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	run.captionedOnce(photos)

	missed := photos - captions
	if s := m.reader.status(); s.Index.Photos != captions || !s.Index.Behind {
		t.Errorf("the index of the reader that is down is %+v, want %d photos", s.Index, captions)
	}
	want := fmt.Sprintf("search knows %d photos and is behind by %d ", captions, missed)
	if out := m.reader.must(exitDone, "status"); !strings.Contains(out.stdout, want) {
		t.Errorf("where the reader is down status says %s\nwant %q", out.stdout, want)
	}
	if s := m.writer.status(); s.Index.Photos != photos || s.Index.Behind {
		t.Errorf("the writer's index is %+v", s.Index)
	}
	back := m.serve()
	back.until("what it missed is shown", func() bool { return back.search("").Total == photos })
	m.agree(photos)
}

func TestAReaderSkipsNothingThatIsCommittedLateAndShowsTheLastState(t *testing.T) {
	t.Parallel()
	m := newMachines(t)
	const photos = 4
	writeLibrary(t, m.root, photos)
	m.writer.must(exitDone, "index", m.root)
	var ids []string
	for id := range m.writer.documents() {
		ids = append(ids, id)
	}
	reader := m.serve()
	reader.until("the database is open", func() bool { return reader.status().DatabaseProblem == "" })
	m.reader.catchUp(m.store) // from here on the cursor has passed all that is there
	if found := reader.search(""); found.Total != photos {
		t.Errorf("%d photos are shown", found.Total)
	}

	late, err := m.connect("a slow one").Begin(t.Context())
	if err == nil {
		_, err = late.Exec(t.Context(), `UPDATE photos SET camera = 'Okapi' WHERE encode(id, 'hex') = $1`, ids[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	m.edit(ids[1], "A zebra.")
	m.edit(ids[2], "A lynx.")
	m.edit(ids[2], "A walrus.")
	m.reader.catchUp(m.store) // goes by what is not committed
	for _, l := range []*testLibrary{m.reader, m.writer} {
		if s := l.status(); !s.Index.Behind || len(s.Index.HeldBackBy) != 1 || !strings.HasPrefix(s.Index.HeldBackBy[0], "a slow one ") {
			t.Errorf("while a transaction is open the index is %+v", s.Index)
		}
	}
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.reader.catchUp(m.store)
	if index := m.reader.documents(); index[ids[0]].Camera != "Okapi" || index[ids[1]].Caption != "A zebra." || index[ids[2]].Caption != "A walrus." {
		t.Errorf("after a late commit the reader holds %+v", index)
	}

	for _, caption := range []string{"A heron.", "A stork."} { // both are seen
		m.edit(ids[2], caption)
		m.reader.catchUp(m.store)
		if got := m.reader.documents()[ids[2]].Caption; got != caption {
			t.Errorf("%q is shown as %q", caption, got)
		}
	}
	if found := reader.search(""); found.Total != photos || len(found.Hits) != photos {
		t.Errorf("%d photos are shown as %d", found.Total, len(found.Hits))
	}
	m.agree(photos)
}

func TestAReaderBuildsItsIndexAnewAfterARestore(t *testing.T) {
	t.Parallel()
	m := newMachines(t)
	const photos = 3
	writeLibrary(t, m.root, photos)
	m.writer.must(exitDone, "index", m.root)
	saved := filepath.Join(t.TempDir(), "photos.backup")
	m.writer.must(exitDone, "backup", saved)
	// What came after the backup is in the index and not in what is restored.
	after := filepath.Join(m.root, "after.jpg")
	writeFile(t, after, readSample(t, "grace_hopper.jpg"))
	m.writer.must(exitDone, "index", m.root)
	m.reader.catchUp(m.store)
	if index := m.reader.documents(); len(index) != photos+1 {
		t.Errorf("before the restore the reader holds %+v", index)
	}

	restored := newTestLibrary(t)
	restored.database = storagetest.Server(t)
	restored.must(exitDone, "restore", saved)
	m.reader.database = restored.database
	if out := m.reader.must(exitDone, "status"); !strings.Contains(out.stdout, "another database") {
		t.Errorf("status says %s", out.stdout)
	}
	reader := m.serve()
	reader.until("what is restored is shown", func() bool { return reader.search("").Total == photos })

	store, err := postgres.Open(t.Context(), restored.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	n := &machines{t: t, writer: restored, reader: m.reader, store: store}
	for id := range restored.documents() {
		n.edit(id, "A zebra.")
	}
	reader.until("edits are shown", func() bool { return reader.search(url.QueryEscape(`by:me "a zebra"`)).Total == photos })
	for _, hit := range m.reader.documents() {
		if hit.Paths[0] == after {
			t.Errorf("the reader still holds %+v", hit)
		}
	}
	if err := os.Remove(after); err != nil { // for verify, which looks at the disk
		t.Fatal(err)
	}
	n.agree(photos)
}

// standstill is a change feed in which nothing happens any more.
type standstill struct{ search.Feed }

func (standstill) Changes(_ context.Context, after storage.Cursor, _ int) (storage.Changes, error) {
	return storage.Changes{Next: after}, nil
}

func TestHowFarAReaderIsBehindIsSaid(t *testing.T) {
	t.Parallel()
	m := newMachines(t)
	const photos = 3
	writeLibrary(t, m.root, photos)
	m.writer.must(exitDone, "index", m.root)
	// Somebody holds the reader's index and gets no further.
	index, err := search.OpenWriter(filepath.Join(m.reader.data, "search"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := index.Project(t.Context(), m.store); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- index.Serve(ctx, standstill{m.store}) }()

	reader := m.serve()
	lag := func() string {
		for line := range strings.Lines(string(reader.ask("GET", "/metrics", "", nil))) {
			if photos, found := strings.CutPrefix(line, "shoebox_index_lag_photos "); found {
				return strings.TrimSpace(photos)
			}
		}
		return ""
	}
	reader.until("the reader is up to date", func() bool { return lag() == "0" })
	if status := reader.status(); status.Index.Behind {
		t.Errorf("up to date it says %+v", status.Index)
	}
	documents := m.reader.documents()
	var edited int
	for id := range documents {
		if edited++; edited < photos {
			m.edit(id, "A zebra.")
		}
	}
	if got := lag(); got != "2" {
		t.Errorf("two edits behind /metrics says %q", got)
	}
	if status := reader.status(); !status.Index.Behind {
		t.Errorf("two edits behind it says %+v", status.Index)
	}
	for _, l := range []*testLibrary{m.reader, m.writer} {
		if out := l.must(exitDone, "status"); !strings.Contains(out.stdout, "is behind by 2 changed photos") {
			t.Errorf("two edits behind status says %s", out.stdout)
		}
	}
	// Whoever comes after it catches up.
	leave()
	<-left
	if err := index.Close(); err != nil {
		t.Fatal(err)
	}
	reader.until("the reader is up to date again", func() bool { return lag() == "0" })
	m.agree(photos)
}
