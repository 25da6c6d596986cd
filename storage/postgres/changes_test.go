package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
	"shoebox/storage/postgres"
)

func TestAChangeThatCommitsLateIsNotMissed(t *testing.T) {
	url := migrated(t)
	store := openStore(t, url)
	fill(t, url, 3)
	first := read(t, store, storage.Cursor{})
	if len(first.Items) != 3 {
		t.Fatalf("%d photos to begin with", len(first.Items))
	}

	// One transaction begins to change photo 1, another changes photo 2 and
	// commits, and only then the first commits.
	slow := begin(t, url)
	edit(t, slow, 1, "changed first, committed last")
	quick := begin(t, url)
	edit(t, quick, 2, "changed last, committed first")
	commit(t, quick)

	between := read(t, store, first.Next)
	if len(between.Items) != 0 {
		t.Errorf("while a transaction is open the feed has %+v", between.Items)
	}
	if lag, err := store.Lag(t.Context(), first.Next, 10); err != nil || lag != (storage.Lag{Photos: 1, HeldBack: 1}) {
		t.Errorf("what it holds back is counted as %+v, %v", lag, err)
	}
	commit(t, slow)
	after := read(t, store, between.Next)
	var captions []string
	for _, item := range after.Items {
		captions = append(captions, item.Photo.Text)
	}
	if !slices.Equal(captions, []string{"changed first, committed last", "changed last, committed first"}) {
		t.Errorf("after both committed the feed has %q", captions)
	}
	if lag, err := store.Lag(t.Context(), first.Next, 10); err != nil || lag != (storage.Lag{Photos: 2}) {
		t.Errorf("after both committed %+v are counted, %v", lag, err)
	}
	if last := read(t, store, after.Next); len(last.Items) != 0 {
		t.Errorf("and then %+v", last.Items)
	}
}

func TestWhatHoldsTheFeedBackHasAName(t *testing.T) {
	url := migrated(t)
	store := openStore(t, url)
	fill(t, url, 2)
	open := begin(t, url+"&application_name=a%20forgotten%20psql")
	edit(t, open, 1, "not committed")
	if blockers := feedBlockers(t, store); len(blockers) != 0 {
		t.Errorf("nothing waits, but %+v", blockers)
	}
	quick := begin(t, url)
	edit(t, quick, 2, "waits")
	commit(t, quick)
	blockers := feedBlockers(t, store)
	if len(blockers) != 1 || blockers[0].Application != "a forgotten psql" || blockers[0].PID == 0 ||
		!strings.Contains(blockers[0].Query, "UPDATE photos") || time.Since(blockers[0].Since) > time.Hour {
		t.Errorf("got %+v", blockers)
	}
	commit(t, open)
	if blockers := feedBlockers(t, store); len(blockers) != 0 {
		t.Errorf("after its commit: %+v", blockers)
	}
}

func TestWhateverChangesWhatSearchShowsIsInTheFeed(t *testing.T) {
	for _, test := range []struct {
		name, sql string
		want      int
	}{
		{"a caption", `UPDATE photos SET caption = 'x' WHERE id = (SELECT photo_id FROM files WHERE path = '1')`, 1},
		{"a title", `UPDATE photos SET title = 'x' WHERE id = (SELECT photo_id FROM files WHERE path = '1')`, 1},
		{"keywords", `UPDATE photos SET keywords = '["x"]' WHERE id = (SELECT photo_id FROM files WHERE path = '1')`, 1},
		{"what is first seen", `INSERT INTO seen (photo_id, model_id, classes) SELECT photo_id, 1, '' FROM files WHERE path = '2'`, 1},
		{"what is seen then", `UPDATE seen SET words = '\x01'`, 2},
		{"what is seen no more", `DELETE FROM seen`, 2},
		{"a file's path", `UPDATE files SET path = 'new' WHERE path = '1'`, 1},
		{"a file's photo", `UPDATE files SET photo_id = (SELECT photo_id FROM files WHERE path = '2') WHERE path = '1'`, 2},
		{"a file's row", `DELETE FROM files WHERE path = '1'`, 1},
		{"a copied file", `INSERT INTO files (folder_id, path, size, mtime_ns, state, photo_id)
			SELECT folder_id, 'copy', size, mtime_ns, state, photo_id FROM files WHERE path = '1'`, 1},
		{"a folder's path", `UPDATE folders SET path = '/elsewhere'`, 3},
		{"nothing that shows", `UPDATE files SET attempts = attempts + 1, size = size + 1`, 0},
		{"nothing at all", `UPDATE photos SET caption = caption`, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := migrated(t)
			store := openStore(t, url)
			fill(t, url, 3)
			see(t, url)
			cursor := read(t, store, storage.Cursor{}).Next
			run(t, url, test.sql)
			if changes := read(t, store, cursor); len(changes.Items) != test.want {
				t.Errorf("the feed has %+v, want %d changes", changes.Items, test.want)
			}
		})
	}
}

func TestARenewedEpochStartsReadersAgain(t *testing.T) {
	url := migrated(t)
	store := openStore(t, url)
	fill(t, url, 3)
	cursor := read(t, store, storage.Cursor{}).Next
	run(t, url, `UPDATE meta SET epoch = gen_random_uuid()`)
	if changes := read(t, store, cursor); !changes.Restart || len(changes.Items) != 3 {
		t.Errorf("got %+v", changes)
	}
}

// fill stores n captioned photos with a file each, named 1 to n, in one
// transaction; photo i has the id sha256(i).
func fill(t testing.TB, url string, n int) {
	t.Helper()
	run(t, url, fmt.Sprintf(`
		BEGIN;
		INSERT INTO models (hash, name) VALUES ('m', 'made up');
		INSERT INTO folders (path) VALUES ('/photos');
		INSERT INTO photos (id, pixels, format, width, height, damaged, caption, model_id)
		SELECT sha256(i::text::bytea), sha256(i::text::bytea), 'jpeg', 4000, 3000, false,
			'A photo of the thing number ' || i || '.', (SELECT id FROM models)
		FROM generate_series(1, %[1]d) AS i;
		INSERT INTO files (folder_id, path, size, mtime_ns, state, photo_id)
		SELECT (SELECT id FROM folders), i::text::bytea, 4000000, 17000000000, 'done', sha256(i::text::bytea)
		FROM generate_series(1, %[1]d) AS i;
		COMMIT`, n))
}

// see has the model of fill see something in each photo but number 2, as if in
// the same transaction: without stamps.
func see(t testing.TB, url string) {
	t.Helper()
	run(t, url, `
		SET session_replication_role = replica;
		INSERT INTO seen (photo_id, model_id, words, classes, others)
		SELECT id, model_id, '\x8081', '\x0001ff', '[{"text": "Or so.", "likelihood": -1.5}]'
		FROM photos WHERE id <> sha256('2')`)
}

func begin(t *testing.T, url string) pgx.Tx {
	t.Helper()
	tx, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func edit(t *testing.T, tx pgx.Tx, number int, caption string) {
	t.Helper()
	id := sha256.Sum256([]byte{byte('0' + number)})
	if _, err := tx.Exec(t.Context(), `UPDATE photos SET caption = $2 WHERE id = $1`, id[:], caption); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, store *postgres.Store, after storage.Cursor) storage.Changes {
	t.Helper()
	changes, err := store.Changes(t.Context(), after, 100)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func feedBlockers(t *testing.T, store *postgres.Store) []postgres.FeedBlocker {
	t.Helper()
	blockers, err := store.FeedBlockers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return blockers
}
