package search

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

func TestPhotosOfOneMinuteAreSortedByName(t *testing.T) {
	feed := newFakeFeed()
	var names []string
	for i := range 60 {
		name := fmt.Sprintf("PXL_20230101_1234%02d%03d.jpg", i, (i*37)%100)
		feed.put(photo(name, "A dog."), "/photos/"+name)
		names = append(names, name)
	}
	ix, err := OpenWriter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	project(t, ix, feed)
	var found []string
	for _, hit := range find(t, ix, "sort:name", 100).Hits {
		found = append(found, filepath.Base(hit.Paths[0]))
	}
	if !slices.Equal(found, names) {
		t.Errorf("sorted by name: %v", found)
	}
}
