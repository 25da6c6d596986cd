package storagetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"shoebox/storage"
)

var concurrencyTests = []test{
	{"eight workers of two processes claim a thousand files, none twice", func(l *library) {
		var names []string
		for i := range 1000 {
			names = append(names, fmt.Sprint(i))
		}
		l.scan(names...)
		stores := []storage.Store{l.store, l.open()}
		var mu sync.Mutex
		claimed := make(map[string]int)
		var work errgroup.Group
		for worker := range 8 {
			work.Go(func() error {
				owner := storage.Owner{Machine: "desk", PID: worker}
				for {
					claims, err := stores[worker%2].Claim(l.Context(), owner, []int64{l.folder.ID}, 7, long)
					if err != nil || len(claims) == 0 {
						return err
					}
					mu.Lock()
					for _, claim := range claims {
						claimed[claim.Path]++
					}
					mu.Unlock()
				}
			})
		}
		l.must(work.Wait())
		for path, n := range claimed {
			if n != 1 {
				l.Errorf("%q was claimed %d times", path, n)
			}
		}
		if len(claimed) != len(names) {
			l.Errorf("%d files were claimed, want %d", len(claimed), len(names))
		}
	}},
	{"workers that commit the same photos in different order do not get stuck", func(l *library) {
		const workers, photos, rounds = 4, 40, 10
		for round := range rounds {
			var work errgroup.Group
			for worker := range workers {
				folder := l.addFolder(fmt.Sprintf("/copies/%d", worker))
				work.Go(func() error {
					return commitCopies(l, folder, worker, round, photos)
				})
			}
			l.must(work.Wait())
		}
		for i := range photos {
			if shown := l.shown(fmt.Sprintf("photo %d", i)); len(shown.Paths) != workers*rounds {
				l.Fatalf("photo %d is shown at %d paths, want %d", i, len(shown.Paths), workers*rounds)
			}
		}
	}},
	{"two first scans of a folder and their workers caption each file once", func(l *library) {
		var names []string
		for i := range 300 {
			names = append(names, fmt.Sprint(i))
		}
		var mu sync.Mutex
		captions := 0
		var work errgroup.Group
		for _, owner := range []storage.Owner{alice, bob} {
			work.Go(func() error {
				for part := range slices.Chunk(names, 50) {
					changes := storage.ScanChanges{Upserts: stats(part...)}
					if err := l.store.ApplyScan(l.Context(), l.folder.ID, changes); err != nil {
						return err
					}
					claims, err := l.store.Claim(l.Context(), owner, []int64{l.folder.ID}, 50, long)
					if err != nil {
						return err
					}
					var results []storage.Result
					for _, claim := range claims {
						results = append(results, captionedAs(claim, photo(claim.Path)))
					}
					n, err := l.store.Commit(l.Context(), owner, results)
					if err != nil {
						return err
					}
					mu.Lock()
					captions += n
					mu.Unlock()
				}
				return nil
			})
		}
		l.must(work.Wait())
		if got := l.counts(); captions != len(names) || got != (storage.Counts{Done: len(names)}) {
			l.Errorf("%d captions for %d files, counts %+v", captions, len(names), got)
		}
	}},
	{"counts and feed are right after everything happened at once", func(l *library) {
		const workers, steps = 4, 60
		var work errgroup.Group
		for worker := range workers {
			work.Go(func() error {
				random := rand.New(rand.NewPCG(1, uint64(worker)))
				owner := storage.Owner{Machine: "desk", PID: worker}
				for range steps {
					if err := randomStep(l, owner, random); err != nil {
						return err
					}
				}
				return nil
			})
		}
		l.must(work.Wait())
		compareWithFiles(l)
	}},
}

// commitCopies indexes a folder that has one file more of each photo, in an
// order of its own.
func commitCopies(l *library, folder storage.Folder, worker, round, photos int) error {
	var names []string
	for i := range photos {
		names = append(names, fmt.Sprintf("%d/%d", round, i))
	}
	if err := l.store.ApplyScan(l.Context(), folder.ID, storage.ScanChanges{Upserts: stats(names...)}); err != nil {
		return err
	}
	owner := storage.Owner{Machine: "desk", PID: worker}
	claims, err := l.store.Claim(l.Context(), owner, []int64{folder.ID}, photos, long)
	if err != nil {
		return err
	}
	var results []storage.Result
	for i, claim := range claims {
		results = append(results, captionedAs(claim, photo(fmt.Sprintf("photo %d", i))))
	}
	rand.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	n, err := l.store.Commit(l.Context(), owner, results)
	if err == nil && n != photos {
		err = fmt.Errorf("committed %d of %d", n, photos)
	}
	return err
}

// randomStep does one of the things that workers and scans do, on few files
// with few contents, so that they meet.
func randomStep(l *library, owner storage.Owner, random *rand.Rand) error {
	const names = 30
	var changes storage.ScanChanges
	for range 5 {
		file := stats(fmt.Sprint(random.IntN(names)))[0]
		file.ModTime += int64(random.IntN(3))
		changes.Upserts = append(changes.Upserts, file)
	}
	switch random.IntN(7) {
	case 0:
		return l.store.ApplyScan(l.Context(), l.folder.ID, changes)
	case 1:
		var ids []int64
		for file, err := range l.store.KnownFiles(l.Context(), l.folder.ID) {
			if err != nil {
				return err
			}
			if random.IntN(5) == 0 {
				ids = append(ids, file.ID)
			}
		}
		half := len(ids) / 2
		return l.store.ApplyScan(l.Context(), l.folder.ID, storage.ScanChanges{Missing: ids[:half], Restored: ids[half:]})
	case 2:
		if _, err := l.store.RetryFailures(l.Context(), nil); err != nil {
			return err
		}
		return l.store.EndScan(l.Context(), l.folder.ID, storage.ScanEnd{})
	case 3:
		if err := l.store.ReleaseAll(l.Context(), owner); err != nil {
			return err
		}
		return l.store.ExtendLeases(l.Context(), owner, long)
	case 4:
		if _, err := l.store.TakeBack(l.Context(), owner); err != nil {
			return err
		}
		_, err := l.store.Recaption(l.Context(), fmt.Sprint("model ", random.IntN(2)), false)
		return err
	default:
		claims, err := l.store.Claim(l.Context(), owner, []int64{l.folder.ID}, 1+random.IntN(8), 1)
		if err != nil {
			return err
		}
		var results []storage.Result
		for _, claim := range claims {
			result := captionedAs(claim, photo(fmt.Sprint(random.IntN(names/2))))
			if random.IntN(4) == 0 {
				result = failedAs(claim, storage.Failed, []string{"io", "truncated"}[random.IntN(2)])
				result.Failure.RetryIn = time.Duration(random.IntN(2)) * time.Millisecond
			}
			results = append(results, result)
		}
		_, err = l.store.Commit(l.Context(), owner, results)
		return err
	}
}

// compareWithFiles compares what is kept beside the files with the files.
func compareWithFiles(l *library) {
	l.Helper()
	var want storage.Counts
	states := map[storage.FileState]*int{
		storage.Pending: &want.Pending, storage.Leased: &want.Leased, storage.Done: &want.Done,
		storage.Failed: &want.Failed, storage.Unsupported: &want.Unsupported,
	}
	present := make(map[string]bool)
	for _, file := range l.known() {
		if file.Missing {
			want.Missing++
			continue
		}
		*states[file.State]++
		present[root+"/"+file.Path] = true
	}
	got := l.counts()
	want.Retrying = got.Retrying // which of the failed ones, the files do not say
	if got != want || got.Retrying > got.Failed {
		l.Errorf("counts %+v, but the files are %+v", got, want)
	}
	shown := make(map[string]bool)
	items, _ := l.feed(storage.Cursor{})
	for _, item := range items {
		for _, path := range item.Paths {
			if shown[path] || !present[path] {
				l.Errorf("%q is shown twice or missing", path)
			}
			shown[path] = true
		}
	}
	if len(shown) < want.Done {
		l.Errorf("%d paths are shown, %d files are done", len(shown), want.Done)
	}
}
