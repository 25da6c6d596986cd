package search

import (
	"errors"
	"reflect"
	"testing"

	"shoebox/search/query"
)

func TestAnotherProcessIsAnsweredAsTheHolderItselfWouldBe(t *testing.T) {
	feed := changingFeed(80)
	dir := t.TempDir()
	ix, other := serving(t, dir, feed)
	project(t, ix, feed)
	next := find(t, ix, "snow", 5).Next
	for name, r := range map[string]Request{
		"every photo":                  {Limit: 5},
		"likely and possible":          {Query: parsed(t, "beach"), Limit: 100},
		"with marks":                   {Query: parsed(t, `dog "number 4"`), Limit: 5},
		"a page":                       {Query: parsed(t, "snow"), Limit: 5, After: next},
		"by date":                      {Query: parsed(t, "(snow OR tree) -beach sort:date"), Limit: 5},
		"a description":                {Query: parsed(t, "snow OR dog"), Similar: true, Limit: 5},
		"texts alone":                  {Query: parsed(t, "snow OR number"), TextOnly: true, Limit: 5},
		"facets":                       {Query: parsed(t, "dog"), Facets: true},
		"nothing, and what is nearest": {Query: parsed(t, "dogg snwo"), Limit: 5},
		"a place in another search":    {Query: parsed(t, "snow sort:name"), Limit: 5, After: next},
		"what cannot be looked for":    {Query: parsed(t, "ไทย"), Limit: 5},
		"an album":                     {Query: parsed(t, "@best"), Limit: 5},
	} {
		want, wantErr := ix.Search(t.Context(), r)
		got, err := other.Search(t.Context(), r)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		var use, wantUse *UseError
		if errors.As(err, &use) != errors.As(wantErr, &wantUse) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %v, want %v", name, err, wantErr)
		}
	}
}

func parsed(t *testing.T, text string) query.Query {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
