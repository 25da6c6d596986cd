package search

import (
	"slices"
	"testing"
)

func TestARawFileAndTheJPEGBesideItAreOneResult(t *testing.T) {
	feed := newFakeFeed()
	put := func(path, format string) {
		p := photo(path, "A dog.")
		p.Format = format
		feed.put(p, path)
	}
	put("/trip/IMG_1.JPG", "jpeg")
	put("/trip/IMG_1.CR2", "cr2")
	put("/trip/IMG_2.CR2", "cr2")   // alone
	put("/other/IMG_1.CR2", "cr2")  // of another folder
	put("/trip/IMG_3.png", "png")   // two that are no raw files
	put("/trip/IMG_3.jpg", "jpeg")  //
	put("/trip/IMG_4.NEF", "nef")   // two raw files beside a JPEG
	put("/trip/IMG_4.DNG", "dng")   //
	put("/trip/IMG_4.jpeg", "jpeg") //
	ix := projected(t, feed)
	expectShots := func(want ...[]string) {
		t.Helper()
		result := find(t, ix, "dog sort:name", 100)
		var got [][]string
		for _, hit := range result.Hits {
			paths := slices.Clone(hit.Paths)
			slices.Sort(paths[1:])
			got = append(got, paths)
		}
		slices.SortFunc(got, slices.Compare)
		slices.SortFunc(want, slices.Compare)
		if !slices.EqualFunc(got, want, slices.Equal[[]string]) || result.Total != uint64(len(want)) {
			t.Errorf("%d photos: %q, want %q", result.Total, got, want)
		}
	}
	expectShots(
		[]string{"/trip/IMG_1.JPG", "/trip/IMG_1.CR2"}, []string{"/trip/IMG_2.CR2"}, []string{"/other/IMG_1.CR2"},
		[]string{"/trip/IMG_3.png"}, []string{"/trip/IMG_3.jpg"},
		[]string{"/trip/IMG_4.jpeg", "/trip/IMG_4.DNG", "/trip/IMG_4.NEF"})

	gone := photo("/trip/IMG_1.JPG", "A dog.")
	feed.put(gone)
	project(t, ix, feed)
	if got := names(find(t, ix, "name:IMG_1*", 10)); len(got) != 2 {
		t.Errorf("without its JPEG the raw file is not shown: %v", got)
	}
}
