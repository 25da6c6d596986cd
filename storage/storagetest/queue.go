package storagetest

import (
	"fmt"
	"slices"
	"time"

	"shoebox/storage"
)

var queueTests = []test{
	{"files are claimed in the order of the walk, as many as asked for", func(l *library) {
		l.scan("c", "a", "b")
		claims := l.claim(alice, 2, long)
		if len(claims) != 2 || claims[0].Path != "c" || claims[1].Path != "a" {
			l.Fatalf("claimed %+v", claims)
		}
		want := storage.Claim{FileID: l.file("c").ID, FolderID: l.folder.ID, FolderPath: root, FileStat: stats("c")[0], Attempts: 1}
		if claims[0] != want {
			l.Errorf("got %+v, want %+v", claims[0], want)
		}
		if claim := l.claimOne(bob, long); claim.Path != "b" {
			l.Errorf("then %+v", claim)
		}
		if rest := l.claim(bob, 10, long); len(rest) != 0 {
			l.Errorf("and then %+v", rest)
		}
	}},
	{"only files of the folders asked for are claimed", func(l *library) {
		other := l.addFolder("/other")
		l.must(l.store.ApplyScan(l.Context(), other.ID, storage.ScanChanges{Upserts: stats("theirs")}))
		l.scan("ours")
		if claim := l.claimOne(alice, long); claim.Path != "ours" {
			l.Errorf("claimed %+v", claim)
		}
		claims, err := l.store.Claim(l.Context(), alice, []int64{l.folder.ID, other.ID}, 10, long)
		l.must(err)
		if len(claims) != 1 || claims[0].FolderPath != "/other" {
			l.Errorf("then claimed %+v", claims)
		}
		none, err := l.store.Claim(l.Context(), alice, nil, 10, long)
		l.must(err)
		if len(none) != 0 {
			l.Errorf("of no folder: %+v", none)
		}
	}},
	{"a lease that has ended is anybody's", func(l *library) {
		l.scan("a")
		l.claimOne(alice, 1)
		outlive(l.Context())
		l.claimOne(bob, long)
	}},
	{"a lease that is extended is nobody else's", func(l *library) {
		l.scan("a")
		l.claimOne(alice, 1)
		l.must(l.store.ExtendLeases(l.Context(), bob, long)) // not bob's
		l.must(l.store.ExtendLeases(l.Context(), alice, long))
		outlive(l.Context())
		if claims := l.claim(bob, 1, long); len(claims) != 0 {
			l.Errorf("claimed %+v", claims)
		}
	}},
	{"released files are pending, but not those of others", func(l *library) {
		l.scan("a", "b")
		claims := l.claim(alice, 2, long)
		l.must(l.store.Release(l.Context(), bob, l.ids("a")))
		if got := l.counts(); got != (storage.Counts{Leased: 2}) {
			l.Errorf("after another's release: %+v", got)
		}
		l.must(l.store.Release(l.Context(), alice, l.ids("a")))
		if claim := l.claimOne(bob, long); claim.Path != "a" {
			l.Errorf("claimed %q", claim.Path)
		}
		l.commit(alice, 1, captionedAs(claims[0], photo("a")), captionedAs(claims[1], photo("b")))
	}},
	{"leases are listed by who holds them", func(l *library) {
		reborn := alice
		reborn.StartedAt++ // the same process ID, given again
		odd := storage.Owner{Machine: "a/b", PID: 1, StartedAt: 2}
		l.scan("1", "2", "3", "4", "5")
		for _, owner := range []storage.Owner{alice, alice, reborn, bob, odd} {
			l.claim(owner, 1, long)
		}
		leases, err := l.store.Leases(l.Context())
		l.must(err)
		var got []string
		for _, lease := range leases {
			got = append(got, fmt.Sprint(lease.Owner, " ", lease.Files))
			if ends := time.Until(lease.Ends); ends > long+time.Minute || ends < long-time.Minute {
				l.Errorf("the lease of %s ends in %s", lease.Owner, ends)
			}
		}
		want := []string{odd.String() + " 1", bob.String() + " 1", alice.String() + " 2", reborn.String() + " 1"}
		if !slices.Equal(got, want) {
			l.Errorf("got %q, want %q", got, want)
		}
	}},
	{"a worker that ends gives back what it holds, and accuses nothing", func(l *library) {
		l.scan("1", "2", "3")
		l.claim(alice, 2, long)
		l.claim(bob, 1, long)
		l.must(l.store.ReleaseAll(l.Context(), alice))
		if got := l.counts(); got != (storage.Counts{Pending: 2, Leased: 1}) {
			l.Errorf("after giving back: %+v", got)
		}
		for _, claim := range l.claim(bob, 3, long) {
			if claim.Suspect || claim.Attempts != 1 {
				l.Errorf("claimed %+v", claim)
			}
		}
	}},
	{"what a dead owner held is suspect until there is a result", func(l *library) {
		reborn := alice
		reborn.StartedAt++
		l.scan("1", "2", "3", "4")
		l.claim(alice, 2, long)
		l.claim(reborn, 1, long)
		l.claim(bob, 1, long)
		n, err := l.store.TakeBack(l.Context(), alice)
		l.must(err)
		if got := l.counts(); n != 2 || got != (storage.Counts{Pending: 2, Leased: 2}) {
			l.Errorf("took back %d, leaving %+v", n, got)
		}
		l.claim(bob, 2, long)
		l.must(l.store.ReleaseAll(l.Context(), bob)) // as suspect as before
		claims := l.claim(bob, 4, long)
		var suspects []string
		for _, claim := range claims {
			if claim.Suspect {
				suspects = append(suspects, claim.Path)
			}
		}
		if !slices.Equal(suspects, []string{"1", "2"}) || claims[0].Attempts != 1 {
			l.Errorf("suspects are %q, claims %+v", suspects, claims)
		}
		l.commit(bob, 0, captionedAs(claims[0], photo("1")))
		l.touch("1")
		if claim := l.claimOne(bob, long); claim.Suspect {
			l.Error("still suspect after a result")
		}
	}},
	{"a lease that ended is not claimed by its own owner, who may have the file in hand", func(l *library) {
		l.scan("a")
		l.claim(alice, 1, 1)
		outlive(l.Context())
		if claims := l.claim(alice, 1, long); len(claims) != 0 {
			l.Errorf("claimed again: %+v", claims)
		}
		if claims := l.claim(bob, 1, long); len(claims) != 1 {
			l.Errorf("another claimed %+v", claims)
		}
	}},
	{"a lease that ended makes its file suspect, unless the file has changed since", func(l *library) {
		l.scan("a", "b")
		l.claim(alice, 2, 1)
		outlive(l.Context())
		l.touch("b")
		for _, claim := range l.claim(bob, 2, long) {
			if claim.Suspect != (claim.Path == "a") || claim.Attempts != 1 {
				l.Errorf("claimed %+v", claim)
			}
		}
	}},
	{"a failure that may pass is claimed again when it is due, and not before", func(l *library) {
		l.scan("soon", "later", "never", "fine")
		claims := l.claim(alice, 4, long)
		later := failedAs(claims[1], storage.Failed, "io")
		later.Failure.RetryIn = long
		soon := failedAs(claims[0], storage.Failed, "io")
		soon.Failure.RetryIn = time.Millisecond
		l.commit(alice, 0, soon, later, failedAs(claims[2], storage.Failed, "truncated"), captionedAs(claims[3], photo("fine")))
		if got := l.counts(); got != (storage.Counts{Failed: 3, Retrying: 2, Done: 1}) {
			l.Errorf("counts are %+v", got)
		}
		outlive(l.Context())
		in, found, err := l.store.NextRetry(l.Context(), []int64{l.folder.ID})
		l.must(err)
		if !found || in > 0 {
			l.Errorf("the next is in %s, %v", in, found)
		}
		claim := l.claimOne(bob, long)
		if claim.Path != "soon" || claim.Attempts != 2 || claim.Suspect {
			l.Errorf("claimed %+v", claim)
		}
		in, found, err = l.store.NextRetry(l.Context(), []int64{l.folder.ID})
		l.must(err)
		if !found || in < long-time.Minute || in > long+time.Minute {
			l.Errorf("then the next is in %s, %v", in, found)
		}
		l.commit(bob, 0, captionedAs(claim, photo("soon")))
		if _, found, err = l.store.NextRetry(l.Context(), nil); err != nil || found {
			l.Errorf("of no folder: %v, %v", found, err)
		}
	}},
	{"while the work is paused nothing is claimed, and what is in hand is finished", func(l *library) {
		another := l.open()
		l.scan("in hand", "waiting", "due")
		claims := l.claim(alice, 3, long)
		due := failedAs(claims[2], storage.Failed, "io")
		due.Failure.RetryIn = time.Millisecond
		l.commit(alice, 0, due)
		l.must(l.store.Release(l.Context(), alice, l.ids("waiting")))
		l.claim(bob, 1, 1) // "waiting", until at once
		outlive(l.Context())
		l.must(another.SetPaused(l.Context(), true))
		since, err := l.store.Paused(l.Context())
		l.must(err)
		if age := time.Since(since); since.IsZero() || age > time.Hour || age < -time.Hour {
			l.Errorf("paused since %s", since)
		}
		l.must(l.store.SetPaused(l.Context(), true))
		status, err := another.Status(l.Context())
		l.must(err)
		if !status.PausedSince.Equal(since) {
			l.Errorf("paused again it is paused since %s and not %s", status.PausedSince, since)
		}
		if claims := l.claim(alice, 3, long); len(claims) != 0 {
			l.Errorf("claimed %+v", claims)
		}
		l.must(l.store.ExtendLeases(l.Context(), alice, long))
		l.commit(alice, 0, captionedAs(claims[0], photo("in hand")))
		l.scan("new")
		if got := l.counts(); got.Pending != 1 || got.Done != 1 {
			l.Errorf("meanwhile the counts are %+v", got)
		}
		l.must(l.store.SetPaused(l.Context(), false))
		if since, err := another.Paused(l.Context()); err != nil || !since.IsZero() {
			l.Errorf("afterwards it is paused since %s: %v", since, err)
		}
		if claims := l.claim(alice, 3, long); len(claims) != 3 {
			l.Errorf("afterwards claimed %+v", claims)
		}
	}},
	{"a failure stays suspect if its result says so", func(l *library) {
		l.scan("a")
		deadly := failedAs(l.claimOne(alice, long), storage.Failed, "killed-the-worker")
		deadly.Failure.Suspect = true
		l.commit(alice, 0, deadly)
		_, err := l.store.RetryFailures(l.Context(), nil)
		l.must(err)
		if claim := l.claimOne(bob, long); !claim.Suspect || claim.Attempts != 1 {
			l.Errorf("claimed %+v", claim)
		}
	}},
}
