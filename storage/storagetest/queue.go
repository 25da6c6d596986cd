package storagetest

import (
	"slices"

	"shoebox/storage"
)

var queueTests = []test{
	{"files are claimed in the order of the walk, as many as asked for", func(l *library) {
		l.scan("c", "a", "b")
		claims := l.claim(alice, 2, long)
		if len(claims) != 2 || claims[0].Path != "c" || claims[1].Path != "a" {
			l.Fatalf("claimed %+v", claims)
		}
		want := storage.Claim{FileID: l.file("c").ID, FolderID: l.folder.ID, FolderPath: root, FileStat: stats("c")[0]}
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
	{"owners of leases are listed by machine", func(l *library) {
		sibling := storage.Owner{Machine: alice.Machine, PID: 7, StartedAt: 1}
		odd := storage.Owner{Machine: "a/b", PID: 1, StartedAt: 2}
		l.scan("1", "2", "3", "4", "5")
		for _, owner := range []storage.Owner{alice, alice, bob, sibling, odd} {
			l.claim(owner, 1, long)
		}
		for machine, want := range map[string][]storage.Owner{
			alice.Machine: {sibling, alice}, bob.Machine: {bob}, "a/b": {odd}, "b": nil, "nowhere": nil,
		} {
			owners, err := l.store.LeaseOwners(l.Context(), machine)
			l.must(err)
			if !slices.Equal(owners, want) {
				l.Errorf("on %s: %v, want %v", machine, owners, want)
			}
		}
	}},
	{"all leases of a dead owner are given back, and only these", func(l *library) {
		reborn := alice
		reborn.StartedAt++ // the same process ID, given again
		l.scan("1", "2", "3", "4")
		l.claim(alice, 2, long)
		l.claim(reborn, 1, long)
		l.claim(bob, 1, long)
		n, err := l.store.ReleaseAll(l.Context(), alice)
		l.must(err)
		if got := l.counts(); n != 2 || got != (storage.Counts{Pending: 2, Leased: 2}) {
			l.Errorf("gave back %d, leaving %+v", n, got)
		}
		owners, err := l.store.LeaseOwners(l.Context(), alice.Machine)
		l.must(err)
		if !slices.Equal(owners, []storage.Owner{reborn}) {
			l.Errorf("owners left: %v", owners)
		}
	}},
}
