package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"shoebox/storage"
	"shoebox/storage/postgres"
)

// BenchmarkClaimCommit claims and commits new photos, 500 at a time.
func BenchmarkClaimCommit(b *testing.B) {
	const batch = 500
	store, folder := filled(b, 0)
	var paths int
	owner := storage.Owner{Machine: "desk", PID: 1}
	for b.Loop() {
		b.StopTimer()
		add(b, store, folder, paths, batch)
		paths += batch
		b.StartTimer()
		claims, err := store.Claim(b.Context(), owner, []int64{folder}, batch, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		var results []storage.Result
		for _, claim := range claims {
			p := &storage.Photo{
				ID: sha256.Sum256([]byte(claim.Path)), Pixels: sha256.Sum256([]byte("pixels of " + claim.Path)),
				Format: "jpeg", Width: 4000, Height: 3000,
				Metadata: storage.Metadata{Make: "Canon", Camera: "Canon EOS 40D", ISO: 400, FNumber: 2.8,
					Taken: storage.Taken{Clock: time.Unix(1_600_000_000, 0).UTC()}},
				Caption: storage.Caption{Text: "Two dogs run through the snow in front of a house.", Score: -0.4, Model: "m"},
			}
			results = append(results, storage.Result{Claim: claim, PhotoID: p.ID, Photo: p})
		}
		n, err := store.Commit(b.Context(), owner, results)
		if err != nil || n != batch {
			b.Fatalf("committed %d of %d, %v", n, batch, err)
		}
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "photos/s")
}

// BenchmarkApplyScan records new files, 5,000 at a time.
func BenchmarkApplyScan(b *testing.B) {
	const part = 5000
	store, folder := filled(b, 0)
	var paths int
	for b.Loop() {
		add(b, store, folder, paths, part)
		paths += part
	}
	b.ReportMetric(float64(b.N*part)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkKnownFiles streams a folder of 100,000 files.
func BenchmarkKnownFiles(b *testing.B) {
	const n = 100_000
	store, folder := filled(b, n)
	b.ReportAllocs()
	for b.Loop() {
		var seen int
		for _, err := range store.KnownFiles(b.Context(), folder) {
			if err != nil {
				b.Fatal(err)
			}
			seen++
		}
		if seen != n {
			b.Fatalf("streamed %d files, want %d", seen, n)
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkChanges reads the feed of 100,000 photos, 1,000 at a time.
func BenchmarkChanges(b *testing.B) {
	const n = 100_000
	store, _ := filled(b, n)
	for b.Loop() {
		var seen int
		for cursor, more := (storage.Cursor{}), true; more; {
			changes, err := store.Changes(b.Context(), cursor, 1000)
			if err != nil {
				b.Fatal(err)
			}
			seen += len(changes.Items)
			cursor, more = changes.Next, changes.More
		}
		if seen != n {
			b.Fatalf("read %d photos, want %d", seen, n)
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "photos/s")
}

func filled(b *testing.B, n int) (store *postgres.Store, folder int64) {
	b.Helper()
	url := migrated(b)
	fill(b, url, n)
	run(b, url, `ANALYZE`)
	store = openStore(b, url)
	root, err := store.AddFolder(b.Context(), "/photos")
	if err != nil {
		b.Fatal(err)
	}
	return store, root.ID
}

func add(b *testing.B, store *postgres.Store, folder int64, first, n int) {
	b.Helper()
	files := make([]storage.FileStat, n)
	for i := range files {
		path := fmt.Sprintf("2019/05/holiday/IMG_%08d.jpg", first+i)
		files[i] = storage.FileStat{Path: path, Size: 4_000_000, ModTime: 1_700_000_000_000_000_000}
	}
	if err := store.ApplyScan(b.Context(), folder, storage.ScanChanges{Upserts: files}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFourProcessesClaim has four processes (a pool each) claim 32 files at
// a time and finish them without a photo, until all are done, none twice.
func BenchmarkFourProcessesClaim(b *testing.B) {
	const n, processes, batch = 100_000, 4, 32
	for b.Loop() {
		b.StopTimer()
		url := migrated(b)
		folder, err := openStore(b, url).AddFolder(b.Context(), "/photos")
		if err != nil {
			b.Fatal(err)
		}
		run(b, url, fmt.Sprintf(`
			INSERT INTO files (folder_id, path, size, mtime_ns)
			SELECT 1, format('2019/05/holiday/IMG_%%s.jpg', i)::bytea, 4000000, i FROM generate_series(1, %d) AS i`, n))
		b.StartTimer()
		var claimed sync.Map
		var total atomic.Int64
		var work errgroup.Group
		for i := range processes {
			store := openStore(b, url)
			owner := storage.Owner{Machine: "desk", PID: i}
			work.Go(func() error {
				for {
					claims, err := store.Claim(b.Context(), owner, []int64{folder.ID}, batch, time.Hour)
					if err != nil || len(claims) == 0 {
						return err
					}
					for _, claim := range claims {
						if _, again := claimed.LoadOrStore(claim.FileID, true); again {
							return fmt.Errorf("file %d was claimed twice", claim.FileID)
						}
					}
					committed, err := store.Commit(b.Context(), owner, broken(claims))
					if err != nil {
						return err
					}
					total.Add(int64(committed))
				}
			})
		}
		if err := work.Wait(); err != nil || total.Load() != n {
			b.Fatalf("%d of %d files finished, %v", total.Load(), n, err)
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "claims/s")
}

func broken(claims []storage.Claim) []storage.Result {
	var results []storage.Result
	for _, claim := range claims {
		failure := &storage.Failure{State: storage.Failed, Code: "truncated", Text: "The file is cut off."}
		results = append(results, storage.Result{Claim: claim, Failure: failure})
	}
	return results
}
