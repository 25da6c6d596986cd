package indexer

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/indexer/scan"
	"shoebox/storage"
	"shoebox/storage/patient"
	"shoebox/storage/storagetest"
)

// Storage that refuses, is slow or loses answers now and then costs time and
// nothing else.
func TestOverAStorageThatFailsAtRandomEveryFileIsCaptionedOnce(t *testing.T) {
	const photos, rounds = 250, 4
	j := newJob(t)
	want := make(map[string]string)
	for n := range photos {
		name := fmt.Sprintf("%03d.png", n)
		j.picture(name, shade(n), "")
		want[name] = shadeCaption(n)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	faulty := &storagetest.Faulty{Store: j.store, Next: storagetest.AtRandom(seed, 0.2)}
	store := patient.New(faulty, nil)
	scanned, err := Scan(t.Context(), store, []string{j.root}, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	root := Root{Path: j.root, Info: scanned[0].Root, Scanned: true}
	var both sync.WaitGroup
	for _, machine := range []string{"desk", "attic"} {
		w := j.worker()
		w.Queue, w.Self.Machine = store, machine
		w.Roots = map[int64]Root{scanned[0].Folder.ID: root}
		both.Go(func() {
			if err := w.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	j.check(want, photos)
	counts, err := j.store.CountFiles(t.Context(), nil)
	if err != nil || counts != (storage.Counts{Done: photos}) {
		t.Errorf("counts are %+v, %v", counts, err)
	}

	// Files that change, vanish and move are found by further scans.
	for round := range rounds {
		old := filepath.Join(j.root, fmt.Sprintf("%03d.png", round))
		if err := os.Rename(old, old+".moved.png"); err != nil {
			t.Fatal(err)
		}
		if _, err := Scan(t.Context(), store, []string{j.root}, scan.Options{}); err != nil {
			t.Fatal(err)
		}
		w := j.worker()
		w.Queue = store
		if err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		delete(want, filepath.Base(old))
		want[filepath.Base(old)+".moved.png"] = shadeCaption(round)
	}
	j.check(want, photos)
	for _, fault := range []storagetest.Fault{storagetest.Refused, storagetest.LostAnswer, storagetest.Slow} {
		if faulty.Met(fault) == 0 {
			t.Errorf("fault %d never came", fault)
		}
	}
	t.Logf("refused %d, lost %d, slow %d", faulty.Met(storagetest.Refused), faulty.Met(storagetest.LostAnswer), faulty.Met(storagetest.Slow))
}

// An outage that outlives the leases: what was computed meanwhile counts unless
// another worker has taken the file.
func TestResultsOfLeasesThatEndedInAnOutageAreStillTaken(t *testing.T) {
	j := newJob(t)
	want := make(map[string]string)
	for n := range 20 {
		name := fmt.Sprintf("%d.png", n)
		j.picture(name, shade(n), "")
		want[name] = shadeCaption(n)
	}
	w := j.worker()
	faulty := &storagetest.Faulty{Store: j.store}
	var ended sync.Once
	faulty.Next = func(operation string, before int) storagetest.Fault {
		if operation != "Commit" || before >= 4 {
			return storagetest.NoFault
		}
		ended.Do(func() { j.sql(`UPDATE files SET lease_ends = now() - interval '1 hour' WHERE state = 'leased'`) })
		return storagetest.Refused
	}
	w.Queue = patient.New(faulty, nil)
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.check(want, 20)
}

func (j *job) sql(statement string) {
	j.t.Helper()
	conn, err := pgx.Connect(j.t.Context(), j.url)
	if err != nil {
		j.t.Fatal(err)
	}
	defer conn.Close(j.t.Context())
	if _, err := conn.Exec(j.t.Context(), statement); err != nil {
		j.t.Fatal(err)
	}
}
