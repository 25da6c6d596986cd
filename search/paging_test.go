package search

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"shoebox/storage"
)

// sortedQueries are in all orders, of likely and possible photos and of all.
var sortedQueries = []string{
	"snow", "snow sort:date", "snow sort:oldest", "snow sort:name",
	"sort:relevance", "sort:date", "sort:oldest", "sort:name",
	"snow OR tree", "(snow OR number) -beach", "camera:3 sort:name", "dog", `"dog with" sort:date`,
}

// pages follows Next to its end and returns the photos in order. between is
// called between two pages.
func pages(t *testing.T, s Searcher, r Request, between func()) (all []Hit) {
	t.Helper()
	for {
		result, err := s.Search(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Hits) > r.Limit {
			t.Fatalf("%d hits, at most %d were asked for", len(result.Hits), r.Limit)
		}
		all = append(all, result.Hits...)
		if result.Next == "" {
			return all
		}
		r.After = result.Next
		between()
	}
}

func TestPagesMakeUpTheWholeAnswer(t *testing.T) {
	ix := projected(t, changingFeed(150))
	for _, text := range sortedQueries {
		for _, similar := range []bool{false, true} {
			q := parsed(t, text)
			r := Request{Query: q, Similar: similar, Limit: 1000}
			whole, err := ix.Search(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if n := uint64(len(whole.Hits)); n == 0 || n != whole.Total+whole.Possible || whole.Next != "" {
				t.Fatalf("%s: %d hits of %d and %d possible ones, next %q", text, n, whole.Total, whole.Possible, whole.Next)
			}
			for _, limit := range []int{1, 7, 50, len(whole.Hits), len(whole.Hits) + 1} {
				r.Limit = limit
				got := pages(t, ix, r, func() {})
				if len(got) != len(whole.Hits) {
					t.Errorf("%s by %d: %d hits, want %d", text, limit, len(got), len(whole.Hits))
					continue
				}
				for i, hit := range got {
					if want := whole.Hits[i]; hit.Photo != want.Photo || hit.Possible != want.Possible || hit.Relevance != want.Relevance {
						t.Errorf("%s by %d: hit %d is %s (%v, %g), want %s (%v, %g)", text, limit, i,
							hit.Photo[:8], hit.Possible, hit.Relevance, want.Photo[:8], want.Possible, want.Relevance)
						break
					}
				}
			}
		}
	}
}

func TestPagesHoldWhileTheIndexChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, text := range sortedQueries {
		t.Run(text, func(t *testing.T) {
			feed := changingFeed(100)
			ix := projected(t, feed)
			q := parsed(t, text)
			whole := find(t, ix, text, 1000)
			changed, next := make(map[string]bool), 1000
			between := func() {
				// One comes, one changes, one leaves.
				add := seenBy("first", photo(fmt.Sprint(next), "A new dog."), sees{"snow": random.Float64()})
				add.Taken = day(random.IntN(28))
				feed.put(add, fmt.Sprintf("/photos/new/%d.jpg", next))
				next++
				for _, leaves := range []bool{false, true} {
					e := feed.entries[random.IntN(len(feed.entries))]
					p := e.Photo
					changed[p.ID.String()] = true
					if leaves {
						feed.put(p)
						continue
					}
					p.Text, p.Taken = "It changed.", day(random.IntN(28))
					feed.put(p, "/photos/changed.jpg")
				}
				project(t, ix, feed)
			}
			seen := make(map[string]bool)
			for _, hit := range pages(t, ix, Request{Query: q, Limit: 9}, between) {
				if seen[hit.Photo] && !changed[hit.Photo] {
					t.Errorf("photo %s came twice and never changed", hit.Photo)
				}
				seen[hit.Photo] = true
			}
			for _, hit := range whole.Hits {
				if !seen[hit.Photo] && !changed[hit.Photo] {
					t.Errorf("photo %s never changed and never came", hit.Photo)
				}
			}
		})
	}
}

func TestAPlaceInOtherResultsIsRefused(t *testing.T) {
	ix := projected(t, changingFeed(50))
	next := func(text string) string {
		t.Helper()
		result := find(t, ix, text, 3)
		if result.Next == "" {
			t.Fatalf("%s has no next page", text)
		}
		return result.Next
	}
	byDate := next("snow sort:date")
	for name, tt := range map[string]struct{ query, after string }{
		"of another order":        {"snow", byDate},
		"of another order too":    {"snow sort:name", next("snow")},
		"no token":                {"snow", "next"},
		"not base64":              {"snow", "~~~"},
		"half a token":            {"snow sort:date", byDate[:len(byDate)/2]},
		"a token and more":        {"snow sort:date", byDate + "AAAA"},
		"of nothing":              {"snow", "bnVsbA"}, // null
		"of a photo that is none": {"snow", "eyJwaG90byI6IjEifQ"},
	} {
		q := parsed(t, tt.query)
		var use *UseError
		if _, err := ix.Search(t.Context(), Request{Query: q, Limit: 3, After: tt.after}); !errors.As(err, &use) {
			t.Errorf("%s: %v, want a UseError", name, err)
		}
	}
	if n := project(t, ix, changingFeed(50)); n != 0 {
		t.Errorf("then %d changes were taken over again", n)
	}
}

func TestFacetsAreCountsOfAllThatLikelyMatch(t *testing.T) {
	feed := changingFeed(200)
	undated := photo("undated", "A dog.")
	feed.put(undated, "/elsewhere/a.jpg")
	old := photo("old", "A dog.")
	old.Taken = storage.Taken{Clock: day(1).Clock.AddDate(-30, 0, 0)}
	feed.put(old, "/elsewhere/b.jpg", "/photos/other folder/b.jpg")
	ix := projected(t, feed)
	for _, text := range []string{"sort:relevance", "dog", "snow", "snow -tree", "camera:3", "taken:2020-01-05", "unicorn"} {
		q := parsed(t, text)
		result, err := ix.Search(t.Context(), Request{Query: q, Facets: true, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		years, months, cameras, folders := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
		for _, hit := range find(t, ix, text, 1000).Hits {
			if hit.Possible {
				continue
			}
			if hit.TakenAt != "" {
				years[hit.TakenAt[:4]]++
				months[hit.TakenAt[:7]]++
			}
			if hit.Camera != "" {
				cameras[hit.Camera]++
			}
			folders[hit.Paths[0][:len(hit.Paths[0])-len("/")-len(names(Result{Hits: []Hit{hit}})[0])]]++
		}
		for name, pair := range map[string]struct {
			got  []Facet
			want map[string]int
		}{
			"years": {result.Facets.Years, years}, "months": {result.Facets.Months, months},
			"cameras": {result.Facets.Cameras, cameras}, "folders": {result.Facets.Folders, folders},
		} {
			if len(pair.got) != len(pair.want) {
				t.Errorf("%s: %d %s, want %d", text, len(pair.got), name, len(pair.want))
			}
			for i, facet := range pair.got {
				if facet.Count != pair.want[facet.Value] {
					t.Errorf("%s: %d photos of %s %s, want %d", text, facet.Count, name, facet.Value, pair.want[facet.Value])
				}
				if i > 0 && (name == "years" || name == "months") && facet.Value >= pair.got[i-1].Value {
					t.Errorf("%s: %s are not the latest first: %v", text, name, pair.got)
				}
				if i > 0 && (name == "cameras" || name == "folders") && facet.Count > pair.got[i-1].Count {
					t.Errorf("%s: %s are not the most first: %v", text, name, pair.got)
				}
			}
		}
	}
}

func TestNearestOffersWhatFindsSomethingAndNeverAnswersIt(t *testing.T) {
	feed := libraryFeed(t)
	feed.vocabularies = vocabularies
	feed.put(seenBy("first", photo("seen", "A ride."), sees{"bicycl": shows}), "/photos/seen")
	ix := projected(t, feed)
	for name, tt := range map[string]struct {
		query string
		want  []string // query: photos
	}{
		"a word spelled wrongly":               {"bycicle", []string{"bicycle: 3 photos instead of bycicle"}},
		"beside a word that is there":          {"dogg snow", []string{"dog snow: 4 photos instead of dogg"}},
		"and the order stays":                  {"dogg snow sort:date", []string{"dog snow sort:date: 4 photos instead of dogg"}},
		"a spelling that finds nothing here":   {"catt bicycle", []string{"bicycle: 3 photos"}},
		"one word less":                        {"dog bicycle", []string{"bicycle: 3 photos", "dog: 8 photos"}},
		"one filter less":                      {"cat taken:2020", []string{"taken:2020: 3 photos", "cat: 2 photos"}},
		"nothing is like it":                   {"xylophone", nil},
		"nothing to offer instead of a phrase": {`"snow dog the"`, nil},
		"a filter that nothing passes":         {"camera:leica", nil},
		"something is found: nothing to offer": {"bike", nil},
	} {
		t.Run(name, func(t *testing.T) {
			result := find(t, ix, tt.query, 10)
			var got []string
			for _, n := range result.Nearest {
				text := fmt.Sprintf("%s: %d photos", n.Query, n.Total)
				if n.Missing != "" {
					text += " instead of " + n.Missing
				}
				got = append(got, text)
				if total := find(t, ix, n.Query, 10).Total; total != n.Total || total == 0 {
					t.Errorf("%s finds %d, and %d were promised", n.Query, total, n.Total)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s offers %q, want %q", tt.query, got, tt.want)
			}
			if len(tt.want) > 0 && (result.Total != 0 || len(result.Hits) != 0) {
				t.Errorf("%s finds %v", tt.query, names(result))
			}
		})
	}
}

func TestSearchesSeeEveryPhotoOnceWhileTheColumnsChange(t *testing.T) {
	feed := changingFeed(60)
	ix := projected(t, feed)
	ctx, stop := context.WithCancel(t.Context())
	errs := make(chan error, 3)
	stays := func(id string) bool { return id[0] < '8' } // half of the photos never change
	steady := 0
	for _, hit := range find(t, ix, "sort:name", 1000).Hits {
		if stays(hit.Photo) {
			steady++
		}
	}
	search := func() error {
		result, err := ix.Search(context.Background(), Request{Limit: 1000})
		if err != nil {
			return err
		}
		seen, there := make(map[string]bool), 0
		for _, hit := range result.Hits {
			if seen[hit.Photo] {
				return fmt.Errorf("photo %s is found twice", hit.Photo)
			}
			seen[hit.Photo] = true
			if stays(hit.Photo) {
				there++
			}
		}
		if there != steady {
			return fmt.Errorf("%d photos that do not change are found, want %d", there, steady)
		}
		return nil
	}
	for range cap(errs) {
		go func() {
			var err error
			for ctx.Err() == nil && err == nil {
				err = search()
			}
			errs <- err
		}()
	}
	random := rand.New(rand.NewPCG(9, 10))
	for i := range 60 {
		e := feed.entries[random.IntN(len(feed.entries))]
		if p := e.Photo; !stays(p.ID.String()) {
			switch i % 3 {
			case 0:
				feed.put(seenBy("second", p, sees{"tree": shows}), "/photos/moved.jpg")
			case 1:
				feed.put(seenBy("first", p, sees{"snow": shows}), "/photos/moved back.jpg")
			default:
				feed.put(p)
			}
		}
		project(t, ix, feed)
	}
	stop()
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	sameDocuments(t, ix, feed)
}
