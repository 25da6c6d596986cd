package postgres_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"shoebox/migrations"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

// TestCountsAreWhatTheRowsAre changes rows in every way and compares the sums
// that triggers keep with the rows.
func TestCountsAreWhatTheRowsAre(t *testing.T) {
	url := migrated(t)
	fill(t, url, 20)
	for _, sql := range []string{
		`SELECT 1`,
		`UPDATE photos SET caption_unsure = true WHERE id < '\x80'`,
		`UPDATE photos SET caption = NULL WHERE id < '\x40'`,
		`UPDATE photos SET caption = 'edited', caption_edited = true WHERE id > '\xA0'`,
		`UPDATE photos SET model_id = NULL WHERE id > '\xC0'`,
		`UPDATE photos SET width = 7`,
		`UPDATE files SET state = 'failed', error_code = 'io', photo_id = NULL, retry_after = now() WHERE id % 3 = 0`,
		`UPDATE files SET retry_after = NULL WHERE id % 6 = 0`,
		`UPDATE files SET present = false WHERE id % 4 = 0`,
		`SELECT fold_counts()`,
		`UPDATE files SET error_code = 'truncated' WHERE state = 'failed' AND id % 2 = 0`,
		`DELETE FROM files WHERE id % 5 = 0`,
		`UPDATE files SET photo_id = NULL, state = 'pending', error_code = NULL, retry_after = NULL`,
		`DELETE FROM photos WHERE id < '\x20'`,
		`SELECT fold_counts()`,
	} {
		run(t, url, sql)
		compareCounts(t, url, sql)
	}
}

func compareCounts(t *testing.T, url, after string) {
	t.Helper()
	for what, sql := range map[string]string{
		"files": `SELECT count(*) FROM (
			SELECT folder_id, state, present, error_code, retry_after IS NOT NULL AS retry, count(*) AS n FROM files GROUP BY 1, 2, 3, 4, 5) AS rows
			FULL JOIN (
			SELECT folder_id, state, present, error_code, retry, sum(n) AS n FROM file_counts GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0) AS sums
			ON (rows.folder_id, rows.state, rows.present, coalesce(rows.error_code, ''), rows.retry)
				= (sums.folder_id, sums.state, sums.present, coalesce(sums.error_code, ''), sums.retry)
			WHERE rows.n IS DISTINCT FROM sums.n`,
		"photos": `SELECT count(*) FROM (
			SELECT model_id, caption_edited AS edited, caption_unsure AS unsure, count(*) AS n FROM photos WHERE caption IS NOT NULL GROUP BY 1, 2, 3) AS rows
			FULL JOIN (
			SELECT model_id, edited, unsure, sum(n) AS n FROM photo_counts GROUP BY 1, 2, 3 HAVING sum(n) <> 0) AS sums
			ON (coalesce(rows.model_id, 0), rows.edited, rows.unsure) = (coalesce(sums.model_id, 0), sums.edited, sums.unsure)
			WHERE rows.n IS DISTINCT FROM sums.n`,
	} {
		var wrong int
		if err := connect(t, url).QueryRow(t.Context(), sql).Scan(&wrong); err != nil {
			t.Fatal(err)
		}
		if wrong > 0 {
			t.Errorf("after %s: %d counts of %s are wrong", after, wrong, what)
		}
	}
}

// TestALibraryOfTheFirstVersionIsCountedAnew migrates a database with files in
// every state that version 1 of the schema knew.
func TestALibraryOfTheFirstVersionIsCountedAnew(t *testing.T) {
	url := storagetest.Server(t)
	migrateTo(t, url, 1)
	fill(t, url, 20)
	run(t, url, `UPDATE files SET state = 'failed', error_code = 'io', error_text = 'x', failed_at = now(), photo_id = NULL WHERE id % 3 = 0`)
	run(t, url, `UPDATE files SET state = 'unsupported', error_code = 'heic', error_text = 'x', failed_at = now(), photo_id = NULL WHERE id % 5 = 0`)
	run(t, url, `UPDATE files SET present = false WHERE id % 4 = 0`)
	run(t, url, `UPDATE photos SET caption = NULL WHERE id < '\x40'`)
	run(t, url, `UPDATE photos SET caption_edited = true WHERE id > '\xC0'`)
	if _, _, err := postgres.Migrate(context.Background(), url); err != nil {
		t.Fatal(err)
	}
	compareCounts(t, url, "migrating")
	var failures int
	for _, err := range openStore(t, url).Failures(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		failures++
	}
	rows, _ := connect(t, url).Query(t.Context(), `SELECT count(*) FROM files WHERE present AND state IN ('failed', 'unsupported')`)
	if want, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int]); err != nil || failures != want {
		t.Errorf("%d failures are listed, want %d, %v", failures, want, err)
	}
}

// migrateTo brings a database to an older version of the schema.
func migrateTo(t *testing.T, url string, version int64) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}
