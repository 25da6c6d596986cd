package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"shoebox/storage"
)

// What workers and readers do all day must not read whole tables or indexes.
// The server counts the rows that it read; it is asked instead of the plans,
// so that the statements are those that really run.
func TestDailyWorkReadsFewRows(t *testing.T) {
	const n = 30_000
	url := migrated(t)
	fill(t, url, n)
	see(t, url)
	run(t, url, `UPDATE files SET state = 'pending'`)
	// Statistics as they are at their worst: none yet, and then fresh ones.
	for _, sql := range []string{`SELECT 1`, `ANALYZE`} {
		run(t, url, sql)
		before := rowsRead(t, url)
		dailyWork(t, url)
		if read := rowsRead(t, url) - before; read > n/2 {
			t.Errorf("after %s: %d rows were read, of tables with %d", sql, read, n)
		}
	}
}

// A plan for no rows, kept for many, once took a minute here.
func TestBatchesAreQuickOnTablesThatWereJustEmpty(t *testing.T) {
	const n = 1000
	url := migrated(t)
	run(t, url, `ANALYZE`)
	store := openStore(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	folder, err := store.AddFolder(ctx, "/photos")
	if err != nil {
		t.Fatal(err)
	}
	owner := storage.Owner{Machine: "desk", PID: 1}
	for round := range 2 {
		var files []storage.FileStat
		for i := range n {
			files = append(files, storage.FileStat{Path: fmt.Sprint(round, "/", i)})
		}
		if err := store.ApplyScan(ctx, folder.ID, storage.ScanChanges{Upserts: files}); err != nil {
			t.Fatal(err)
		}
		claims, err := store.Claim(ctx, owner, []int64{folder.ID}, n, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		var results []storage.Result
		for _, claim := range claims {
			id := storage.PhotoID(sha256.Sum256([]byte(claim.Path)))
			results = append(results, storage.Result{Claim: claim, PhotoID: id, Photo: &storage.Photo{ID: id}})
		}
		if committed, err := store.Commit(ctx, owner, results); err != nil || committed != n {
			t.Fatalf("committed %d of %d, %v", committed, n, err)
		}
	}
}

func dailyWork(t *testing.T, url string) {
	t.Helper()
	const batch = 20 // few enough that an index is the better way to find them
	store := openStore(t, url)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	folder, err := store.AddFolder(ctx, "/photos")
	must(err)
	var files []storage.FileStat
	for i := range batch {
		files = append(files, storage.FileStat{Path: fmt.Sprint(i + 1), Size: 1, ModTime: time.Now().UnixNano()})
	}
	must(store.ApplyScan(ctx, folder.ID, storage.ScanChanges{Upserts: files, Missing: []int64{501, 502}, Restored: []int64{503}}))
	owner := storage.Owner{Machine: "desk", PID: 1}
	claims, err := store.Claim(ctx, owner, []int64{folder.ID}, batch, time.Hour)
	must(err)
	must(store.ExtendLeases(ctx, owner, time.Hour))
	_, err = store.Leases(ctx)
	must(err)
	_, _, err = store.NextRetry(ctx, []int64{folder.ID})
	must(err)
	var results []storage.Result
	var ids []storage.PhotoID
	for i, claim := range claims {
		id := storage.PhotoID(sha256.Sum256(fmt.Append(nil, i+1000)))
		ids = append(ids, id)
		results = append(results, storage.Result{Claim: claim, PhotoID: id})
	}
	_, err = store.CaptionedPhotos(ctx, ids)
	must(err)
	_, _, _, err = store.CaptionByPixels(ctx, ids[0], "m")
	must(err)
	committed, err := store.Commit(ctx, owner, results)
	must(err)
	if committed != batch {
		t.Fatalf("committed %d of %d", committed, batch)
	}
	var cursor storage.Cursor
	for range 3 {
		changes, err := store.Changes(ctx, cursor, batch)
		must(err)
		cursor = changes.Next
	}
	for range store.KnownFiles(ctx, folder.ID) {
		break
	}
	for range store.KnownBelow(ctx, folder.ID, "1") {
		t.Fatal("files are not folders")
	}
	_, _, err = store.KnownAt(ctx, folder.ID, []string{"1", "2", "nothing"})
	must(err)
	_, err = store.CountFiles(ctx, []int64{folder.ID})
	must(err)
	for _, err := range store.Failures(ctx, nil) {
		must(err)
	}
	_, err = store.Status(ctx)
	must(err)
	must(store.EndScan(ctx, folder.ID, storage.ScanEnd{}))
	store.Close() // which makes the server count
}

func rowsRead(t *testing.T, url string) (rows int) {
	t.Helper()
	time.Sleep(500 * time.Millisecond) // Postgres 14 takes its time to count
	err := connect(t, url).QueryRow(t.Context(), `
		SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('files', 'photos', 'seen'))
			+ (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN ('files', 'photos', 'seen'))`).Scan(&rows)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
