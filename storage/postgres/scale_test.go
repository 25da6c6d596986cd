package postgres_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"shoebox/migrations"
	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

// BenchmarkAtScale measures what workers, scans, readers and people ask for, on
// a library of SHOEBOX_SCALE made-up photos (default 100,000), how many tables
// the server read from end to end for it, and how long the migrations take. With
// -v it prints the server's plans. Ten million take 33 GB of disk.
//
//	SHOEBOX_SCALE=10000000 go test ./storage/postgres -run xxx -bench AtScale -benchtime 100x -timeout 2h -v
func BenchmarkAtScale(b *testing.B) {
	n := 100_000
	if asked := os.Getenv("SHOEBOX_SCALE"); asked != "" {
		var err error
		if n, err = strconv.Atoi(asked); err != nil {
			b.Fatal(err)
		}
	}
	url := storagetest.Server(b)
	migrate(b, url, 2)
	began := time.Now()
	fillScale(b, url, n)
	b.Logf("%d photos made in %s", n, time.Since(began).Round(time.Second))
	migrate(b, url, 0)
	run(b, url, fillSeen)
	run(b, url, `UPDATE files SET retry_after = now() + interval '1 day' WHERE error_code = 'io'`)
	run(b, url, `VACUUM ANALYZE`)
	logSizes(b, url, n)

	store := openStore(b, url)
	ctx := b.Context()
	folders, err := store.Folders(ctx)
	if err != nil {
		b.Fatal(err)
	}
	var ids []int64
	for _, f := range folders {
		ids = append(ids, f.ID)
	}
	owner := storage.Owner{Machine: "desk", PID: 1}
	// Four workers hold what they can.
	for pid := range 4 {
		if _, err := store.Claim(ctx, storage.Owner{Machine: "attic", PID: pid}, ids, 128, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	extended := storage.Owner{Machine: "attic", PID: 0}
	var cursor storage.Cursor
	seen := storage.Seen{Words: make([]byte, 1521), Others: []storage.OtherCaption{{Text: "Or so.", Likelihood: -9.123}}, Model: "m2"}
	for _, operation := range []struct {
		name string
		do   func() error
	}{
		{"claim of 32 and giving them back", func() error {
			claims, err := store.Claim(ctx, owner, ids, 32, time.Hour)
			if err == nil && len(claims) != 32 {
				err = fmt.Errorf("claimed %d", len(claims))
			}
			return errors.Join(err, store.ReleaseAll(ctx, owner))
		}},
		{"claim and commit of 32", func() error {
			claims, err := store.Claim(ctx, owner, ids, 32, time.Hour)
			if err != nil {
				return err
			}
			var results []storage.Result
			for _, claim := range claims {
				id := storage.PhotoID(sha256.Sum256([]byte("new " + claim.Path)))
				p := &storage.Photo{ID: id, Pixels: id, Format: "jpeg", Width: 1, Height: 1, Caption: storage.Caption{Text: "New.", Model: "m2"}, Seen: seen}
				results = append(results, storage.Result{Claim: claim, PhotoID: id, Photo: p})
			}
			_, err = store.Commit(ctx, owner, results)
			return err
		}},
		{"extend 128 leases", func() error { return store.ExtendLeases(ctx, extended, time.Hour) }},
		{"who holds leases", func() error { _, err := store.Leases(ctx); return err }},
		{"next retry", func() error { _, _, err := store.NextRetry(ctx, ids); return err }},
		{"count files", func() error { _, err := store.CountFiles(ctx, ids); return err }},
		{"status with failures by reason and captions by model", func() error {
			status, err := store.Status(ctx)
			if err == nil && (len(status.Models) != 2 || len(status.Reasons) != 3 || status.Photos < n*9/10) {
				err = fmt.Errorf("status is %+v", status)
			}
			return err
		}},
		{"the first 1000 failures", func() error {
			listed := 0
			for _, err := range store.Failures(ctx, nil) {
				if err != nil {
					return err
				}
				if listed++; listed == 1000 {
					break
				}
			}
			return nil
		}},
		{"a page of 5000 known files to compare", func() error {
			listed := 0
			for _, err := range store.KnownFiles(ctx, ids[len(ids)/2]) {
				if err != nil {
					return err
				}
				if listed++; listed == 5000 {
					break
				}
			}
			return nil
		}},
		{"1000 changes of the feed", func() error {
			changes, err := store.Changes(ctx, cursor, 1000)
			cursor = changes.Next
			return err
		}},
	} {
		if testing.Verbose() {
			logPlans(b, url, operation.name, operation.do, &store)
		}
		b.Run(strings.ReplaceAll(operation.name, " ", "_"), func(b *testing.B) {
			before := reads(b, url)
			times := 0
			for b.Loop() {
				times++
				if err := operation.do(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(times), "ms/op")
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(reads(b, url)-before), "tables-read-whole")
		})
	}
}

// reads counts how often the large tables were read from end to end.
func reads(b *testing.B, url string) (n int) {
	b.Helper()
	time.Sleep(1100 * time.Millisecond) // a server counts when a session has been idle for a second
	err := connect(b, url).QueryRow(b.Context(), `
		SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN ('files', 'photos')`).Scan(&n)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// migrate applies the migrations up to a version (0: all), and says how long each
// took.
func migrate(b *testing.B, url string, version int64) {
	b.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS)
	if err != nil {
		b.Fatal(err)
	}
	if version == 0 {
		version = provider.ListSources()[len(provider.ListSources())-1].Version
	}
	applied, err := provider.UpTo(b.Context(), version)
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range applied {
		b.Logf("migration %d took %s", one.Source.Version, one.Duration.Round(time.Millisecond))
	}
}

// logPlans runs an operation once while the server writes the plans of its
// statements into its log (auto_explain), and prints them.
func logPlans(b *testing.B, url, name string, operation func() error, store **postgres.Store) {
	b.Helper()
	var data string
	if err := connect(b, url).QueryRow(b.Context(), `SHOW data_directory`).Scan(&data); err != nil {
		b.Fatal(err)
	}
	log := filepath.Join(data, "..", "postgres.log") // where storage/private has it
	before, err := os.Stat(log)
	if err != nil {
		b.Log("no plans, the server is another machine's: ", err)
		return
	}
	usual := *store
	defer func() { *store = usual }()
	*store = openStore(b, url+"&session_preload_libraries=auto_explain&auto_explain.log_min_duration=0&auto_explain.log_analyze=on")
	if err := operation(); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%s:\n%s", name, text[min(before.Size(), int64(len(text))):])
}

// fillScale makes n photos in ten folders, of which one in a hundred failed and
// two in a hundred wait; a tenth of the captions are by an older model. The
// schema is version 2's. Triggers and secondary indexes would make it take
// hours: they are left out and made up for.
func fillScale(b *testing.B, url string, n int) {
	b.Helper()
	run(b, url, fmt.Sprintf(`
		SET session_replication_role = replica;
		SET maintenance_work_mem = '512MB';
		SET work_mem = '512MB';
		CREATE TEMP TABLE left_out AS
			SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
			FROM pg_index i WHERE indrelid IN ('photos'::regclass, 'files'::regclass) AND NOT indisprimary;
		DO $$ DECLARE name text; BEGIN
			FOR name IN SELECT l.name FROM left_out l LOOP EXECUTE 'DROP INDEX ' || name; END LOOP;
		END $$;
		INSERT INTO models (hash, name) VALUES ('m', 'first');
		INSERT INTO models (hash, name, first_seen) VALUES ('m2', 'second', now() + interval '1 s');
		INSERT INTO folders (path) SELECT ('/volume' || i || '/photos')::bytea FROM generate_series(1, 10) AS i;
		INSERT INTO photos (id, pixels, format, width, height, damaged, taken_clock, make, camera, exposure_time,
			f_number, iso, focal_length, lat, lon, caption, caption_score, model_id)
		SELECT id, sha256(id), 'jpeg', 4000, 3000, false,
			timestamp '2010-01-01' + i * interval '1 minute', 'Canon', 'Canon EOS 40D', 0.01, 2.8, 400, 50,
			i %% 180 - 90, i %% 360 - 180, 'Two dogs run through the snow in front of house number ' || i || '.', -0.5,
			1 + (i %% 10 > 0)::int
		FROM (SELECT i, sha256(i::text::bytea) AS id FROM generate_series(1, %[1]d) AS i WHERE i %% 100 >= 3) AS made
		ORDER BY id;
		INSERT INTO files (folder_id, path, size, mtime_ns, state, attempts, photo_id, error_code, error_text, failed_at)
		SELECT 1 + i / 100 %% 10, format('2019/05/holiday/IMG_%%s.jpg', i)::bytea, 4000000 + i, 1700000000000000000 + i,
			CASE WHEN i %% 100 >= 3 THEN 'done' WHEN i %% 100 = 0 THEN 'failed' ELSE 'pending' END, 1,
			CASE WHEN i %% 100 >= 3 THEN sha256(i::text::bytea) END,
			CASE WHEN i %% 100 = 0 THEN (ARRAY['truncated', 'io', 'not-a-picture'])[1 + i / 100 %% 3] END,
			CASE WHEN i %% 100 = 0 THEN 'The file is cut off: it ends before the picture does.' END,
			CASE WHEN i %% 100 = 0 THEN now() END
		FROM generate_series(1, %[1]d) AS i;
		DO $$ DECLARE definition text; BEGIN
			FOR definition IN SELECT l.definition FROM left_out l LOOP EXECUTE definition; END LOOP;
		END $$;
		INSERT INTO file_counts (folder_id, state, present, n)
		SELECT folder_id, state, present, count(*) FROM files GROUP BY 1, 2, 3`, n))
	run(b, url, `VACUUM ANALYZE`)
}

// fillSeen adds what the models said of the photos, which version 2 had no place
// for.
const fillSeen = `
	SET session_replication_role = replica;
	INSERT INTO seen (photo_id, model_id, words, classes, others)
	SELECT id, model_id, w.words, '\x01018001024001032001041001050a'::bytea,
		'[{"text": "Two dogs are running in the snow by a house.", "likelihood": -9.123},
		{"text": "A brown dog runs through the snow in front of a house.", "likelihood": -9.417}]'
	FROM photos, (SELECT string_agg(sha256(i::text::bytea), '') || substring(sha256('') FROM 1 FOR 17) AS words
		FROM generate_series(1, 47) AS i) AS w`

func logSizes(b *testing.B, url string, n int) {
	b.Helper()
	rows, err := connect(b, url).Query(b.Context(), `
		SELECT relname, pg_relation_size(oid) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND pg_relation_size(oid) > 1 << 20
		ORDER BY 2 DESC`)
	if err != nil {
		b.Fatal(err)
	}
	var name string
	var size, total int64
	_, err = pgx.ForEachRow(rows, []any{&name, &size}, func() error {
		b.Logf("%-20s %8.1f MB, %6.1f bytes a photo", name, float64(size)/1e6, float64(size)/float64(n))
		total += size
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%-20s %8.1f MB, %6.1f bytes a photo", "in all", float64(total)/1e6, float64(total)/float64(n))
}
