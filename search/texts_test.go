package search

import (
	"bytes"
	"testing"

	"github.com/blevesearch/bleve/v2/analysis"
)

// chokes is an analyser that cannot take a word.
type chokes struct {
	analysis.Analyzer
	word []byte
}

func (c chokes) Analyze(text []byte) analysis.TokenStream {
	if bytes.Contains(text, c.word) {
		panic("what a word")
	}
	return c.Analyzer.Analyze(text)
}

func TestATextThatCannotBeAnalysedCostsItsPhotoNoMoreThanItsWords(t *testing.T) {
	feed := newFakeFeed()
	ix, err := OpenWriter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	project(t, ix, feed) // so that there is an index
	l := *ix.live.language
	l.stem = guarded{chokes{l.stem, []byte("jabberwock")}}
	ix.live.language = &l
	numbered(feed, 0, 10)
	odd := photo("odd", "A dog beside a jabberwock.")
	odd.Camera = "Canon EOS 40D"
	feed.put(odd, "/photos/odd.jpg")
	project(t, ix, feed)
	if n := find(t, ix, "dog", 100).Total; n != 10 {
		t.Errorf("%d dogs, want 10", n)
	}
	if n := find(t, ix, "camera:canon", 100).Total; n != 1 {
		t.Errorf("%d photos by the camera, want 1", n)
	}
}
