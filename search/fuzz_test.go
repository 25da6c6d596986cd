package search

import (
	"errors"
	"slices"
	"testing"

	"shoebox/search/query"
)

// FuzzSearch asks whatever parses of a small index: no query is damage, pages
// make up the whole answer, and the parts of a query hold together.
func FuzzSearch(f *testing.F) {
	for _, text := range append(slices.Clone(sortedQueries),
		"two dogs in the snow", "-snow", "sn* OR tre~", "the", "-(the dog)", "(dog OR tree) -beach", `"number 4"`, "t-shirt bike 2",
		"camera:3 folder:7* lens:x name:1*", "taken:2020-01..2020-02", "near:0,0,20040km", "box:-90,-180,90,180", "iso:>1 f:2.8 exposure:..1",
		"has:gps OR -has:date", "by:me OR by:model", "ไทย", "dog ไ-ไ", "l’église don't", "𝔡𝔬𝔤", "1 OR one -1", "a.b:c", "-(a -(b OR -c))",
	) {
		f.Add(text)
	}
	f.Add("dogg sno taken:1999")
	ix := openFuzzed(f)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil {
			return
		}
		const all = 1000
		search := func(r Request) (Result, bool) {
			result, err := ix.Search(t.Context(), r)
			var use *UseError
			if err != nil && !errors.As(err, &use) {
				t.Fatalf("%q: %v", text, err)
			}
			return result, err == nil
		}
		whole, ok := search(Request{Query: q, Limit: all, Facets: true})
		if !ok {
			return
		}
		if n := uint64(len(whole.Hits)); n != whole.Total+whole.Possible {
			t.Errorf("%q: %d hits of %d and %d", text, n, whole.Total, whole.Possible)
		}
		photos := ids(whole.Hits)
		if len(distinct(slices.Clone(photos))) != len(photos) {
			t.Errorf("%q finds a photo twice", text)
		}
		if got := ids(pages(t, ix, Request{Query: q, Limit: 11}, func() {})); !slices.Equal(got, photos) {
			t.Errorf("%q: the pages are not the whole", text)
		}
		folders := 0
		for _, facet := range whole.Facets.Folders {
			folders += facet.Count
		}
		if uint64(folders) != whole.Total {
			t.Errorf("%q: %d photos in folders, %d in all", text, folders, whole.Total)
		}
		for _, n := range whole.Nearest {
			offered, err := query.Parse(n.Query)
			if err != nil {
				t.Fatalf("%q offers %q: %v", text, n.Query, err)
			}
			if again, _ := search(Request{Query: offered, Limit: 1}); again.Total != n.Total || n.Total == 0 {
				t.Errorf("%q offers %q with %d photos; it finds %d", text, n.Query, n.Total, again.Total)
			}
		}
		checkParts(t, search, q)
	})
}

// checkParts compares a query with its parts and its opposite. Of texts alone
// a photo either matches or does not; a picture may likely show a word and
// still be kept when that is left out.
func checkParts(t *testing.T, search func(Request) (Result, bool), q query.Query) {
	const all = 1000
	find := func(root query.Node, textOnly bool) map[string]bool {
		result, _ := search(Request{Query: query.Query{Root: root}, Limit: all, TextOnly: textOnly})
		found := make(map[string]bool)
		for _, hit := range result.Hits {
			if !hit.Possible {
				found[hit.Photo] = true
			}
		}
		return found
	}
	everyPhoto := find(nil, false)
	whole := find(q.Root, false)
	if _, isNot := q.Root.(query.Not); q.Root != nil && !isNot {
		with, without := find(q.Root, true), find(query.Not{Node: q.Root}, true)
		for id := range everyPhoto {
			if with[id] == without[id] {
				t.Fatalf("%s and what is left out by it: photo %s is in both or none", q, id)
			}
		}
	}
	switch root := q.Root.(type) {
	case query.Or:
		union := make(map[string]bool)
		for _, part := range root.Nodes {
			for id := range find(part, false) {
				union[id] = true
			}
		}
		if len(union) != len(whole) {
			t.Errorf("%s finds %d, its sides %d", q, len(whole), len(union))
		}
	case query.And:
		for _, part := range root.Nodes {
			if _, isWord := part.(query.Word); isWord {
				continue // a stop word is not required beside others
			}
			found := find(part, false)
			for id := range whole {
				if !found[id] {
					t.Errorf("%s finds photo %s, and %s does not", q, id, part)
				}
			}
		}
	}
}

func ids(hits []Hit) (photos []string) {
	for _, hit := range hits {
		photos = append(photos, hit.Photo)
	}
	return photos
}

// openFuzzed makes the index that is fuzzed.
func openFuzzed(f *testing.F) *Index {
	f.Helper()
	ix, err := OpenWriter(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = ix.Close() })
	if _, err := ix.Project(f.Context(), changingFeed(40)); err != nil {
		f.Fatal(err)
	}
	return ix
}
