package search

import (
	"context"
	"testing"
	"time"

	"shoebox/search/query"
)

func TestWhatASearchTakesOfTheProcessorsIsCounted(t *testing.T) {
	feed := newFakeFeed()
	for _, name := range []string{"a", "b", "c"} {
		feed.put(photo(name, "A dog in the snow."), "/"+name)
	}
	ix := projected(t, feed)
	q, err := query.Parse("dog")
	if err != nil {
		t.Fatal(err)
	}
	var meter Meter
	ctx := WithMeter(t.Context(), &meter)
	began := time.Now()
	end := Measure(ctx) // the search's own goroutine does not count it
	for meter.Spent() == 0 {
		if _, err := ix.Search(ctx, Request{Query: q, Limit: 10}); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal("nothing of ten seconds of searches is counted in the goroutines that they start")
		}
	}
	before := meter.Spent()
	if end(); meter.Spent() <= before {
		t.Error("what the caller's goroutine took is not counted")
	}
	Measure(context.Background())() // nobody counts
}
