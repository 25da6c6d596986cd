package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

func TestADatabaseIsMigratedOnce(t *testing.T) {
	url := storagetest.Server(t)
	if _, err := postgres.Open(t.Context(), url); !errors.Is(err, postgres.ErrNotMigrated) ||
		!strings.Contains(err.Error(), "shoebox migrate") {
		t.Errorf("an empty database opens with %v, want ErrNotMigrated and what to do", err)
	}
	from, to, err := postgres.Migrate(t.Context(), url)
	if err != nil || from != 0 || to < 1 {
		t.Fatalf("migrated from %d to %d, %v", from, to, err)
	}
	again, still, err := postgres.Migrate(t.Context(), url)
	if err != nil || again != to || still != to {
		t.Errorf("then from %d to %d, %v; want %d twice", again, still, err, to)
	}
	openStore(t, url)
}

func TestProcessesThatMigrateAtOnceTakeTurns(t *testing.T) {
	url := storagetest.Server(t)
	froms := make([]int64, 5)
	var processes errgroup.Group
	for i := range froms {
		processes.Go(func() (err error) {
			froms[i], _, err = postgres.Migrate(context.Background(), url)
			return err
		})
	}
	if err := processes.Wait(); err != nil {
		t.Fatal(err)
	}
	worked := 0
	for _, from := range froms {
		if from == 0 {
			worked++
		}
	}
	if worked != 1 {
		t.Errorf("%d processes migrated, want 1", worked)
	}
}

func TestADatabaseOfANewerShoeboxIsRefused(t *testing.T) {
	url := migrated(t)
	run(t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`)
	_, opened := postgres.Open(t.Context(), url)
	_, _, migratedErr := postgres.Migrate(t.Context(), url)
	for what, err := range map[string]error{"Open": opened, "Migrate": migratedErr} {
		if !errors.Is(err, storage.ErrSchemaNewer) {
			t.Errorf("%s: %v, want ErrSchemaNewer", what, err)
		} else if text := err.Error(); !strings.Contains(text, "99999") || !strings.Contains(text, "knows up to") ||
			!strings.Contains(text, "install the newer shoebox") {
			t.Errorf("%s does not say both versions and what to do: %v", what, err)
		}
	}
}

func TestALibraryOfMillionsIsMigratedAtOnce(t *testing.T) {
	for what, c := range map[string]struct {
		to    int64
		table string
	}{"to picture words": {5, "photos"}, "to sidecars": {6, "files"}} {
		t.Run(what, func(t *testing.T) {
			url := storagetest.Server(t)
			migrateTo(t, url, c.to-1)
			fill(t, url, 100)
			conn := connect(t, url)
			before := untouched(t, conn, c.table)
			migrateTo(t, url, c.to)
			if after := untouched(t, conn, c.table); after != before {
				t.Errorf("the rows in file %d were read %d times, are in file %d and were read %d times",
					before.file, before.reads, after.file, after.reads)
			}
		})
	}
}

// rows say in which file a table's are, and how often all were read: a
// migration that rewrites them makes a new file.
type rows struct{ file, reads int64 }

// untouched waits until all others have left the server, which has counted
// their reads then.
func untouched(t *testing.T, conn *pgx.Conn, table string) (r rows) {
	t.Helper()
	for others := -1; others != 0; {
		err := conn.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others)
		if err != nil {
			t.Fatal(err)
		}
	}
	err := conn.QueryRow(t.Context(), `
		SELECT pg_relation_filenode(relid::regclass)::bigint, coalesce(seq_scan, 0)
		FROM pg_stat_user_tables WHERE relname = $1`, table).Scan(&r.file, &r.reads)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestErrorsNameTheServerAndNeverThePassword(t *testing.T) {
	for name, test := range map[string]struct{ url, says string }{
		"nobody listens":     {"postgres://ann:s3cret@127.0.0.1:1/photos", "127.0.0.1:1"},
		"no socket":          {"postgres://ann:s3cret@/photos?host=" + t.TempDir(), "database=photos"},
		"keywords":           {"host=127.0.0.1 port=1 user=ann password=s3cret dbname=photos", "127.0.0.1:1"},
		"not a number":       {"postgres://ann:s3cret@127.0.0.1:port/photos", "postgres://USER:PASSWORD@HOST"},
		"broken escapes":     {"postgres://ann:s3cret%zz@127.0.0.1/photos", "postgres://USER:PASSWORD@HOST"},
		"unknown TLS demand": {"postgres://ann:s3cret@127.0.0.1/photos?sslmode=maybe", "postgres://USER:PASSWORD@HOST"},
	} {
		t.Run(name, func(t *testing.T) {
			_, opened := postgres.Open(t.Context(), test.url)
			_, _, migratedErr := postgres.Migrate(t.Context(), test.url)
			for what, err := range map[string]error{"Open": opened, "Migrate": migratedErr} {
				if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

func TestALostConnectionIsAnErrorThatNamesTheServerAndTheNextCallWorks(t *testing.T) {
	url := migrated(t)
	store := openStore(t, url)
	if _, err := store.Folders(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'shoebox'`)
	// The pool may notice by itself that a connection is dead, or not.
	for range 10 {
		if _, err := store.Folders(t.Context()); err == nil {
			return
		} else if !strings.Contains(err.Error(), "listing the folders") {
			t.Errorf("the error does not say what was being done: %v", err)
		}
	}
	t.Error("the store did not recover")
}

func TestTheURLCanOverruleSettings(t *testing.T) {
	url := migrated(t)
	store := openStore(t, url+"&application_name=another&pool_max_conns=2")
	if _, err := store.Folders(t.Context()); err != nil {
		t.Fatal(err)
	}
	var names []string
	rows, err := connect(t, url).Query(t.Context(), `
		SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if err == nil {
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil || len(names) != 1 || names[0] != "another" {
		t.Errorf("connected as %q, %v", names, err)
	}
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func run(t testing.TB, url, sql string) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
