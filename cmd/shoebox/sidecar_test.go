package main

import (
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoebox/indexer/verify"
)

// sidecar is what digiKam, and others, write beside a picture.
func sidecar(title, keyword string) []byte {
	return []byte(`<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
   xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" xmp:Rating="4">
  <dc:title><rdf:Alt><rdf:li xml:lang="x-default">` + title + `</rdf:li></rdf:Alt></dc:title>
  <dc:subject><rdf:Bag><rdf:li>` + keyword + `</rdf:li></rdf:Bag></dc:subject>
  <mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource">
    <mwg-rs:Name>Clementine</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
 </rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`)
}

func TestWhatIsWrittenInASidecarIsSearchedAndNothingIsCaptionedForIt(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.jpg"), readSample(t, "astronaut.jpg"))
	writeFile(t, filepath.Join(root, "b.jpg"), readSample(t, "china.jpg"))
	l.must(exitDone, "index", root)
	beside := filepath.Join(root, "a.xmp")
	write := func(data []byte) func() error { return func() error { return os.WriteFile(beside, data, 0o644) } }
	steps := []struct {
		name   string
		change func() error
		found  string   // of these words, the ones that find a.jpg
		prints []string // by the index, besides that nothing was captioned
	}{
		{"new", write(sidecar("My "+word, "ukulele")), word + " ukulele clementine", []string{"1 known pictures whose sidecar is new"}},
		{"untouched", func() error { return nil }, word + " ukulele clementine", nil},
		{"changed", write(sidecar("My trombone", "ukulele")), "trombone ukulele clementine", []string{"1 known pictures whose sidecar is new"}},
		{"broken", write([]byte("<x:xmpmeta")), "", []string{beside}},
		{"mended", write(sidecar("My "+word, "trombone")), word + " trombone clementine", nil},
		{"gone", func() error { return os.Remove(beside) }, "", nil},
	}
	for _, step := range steps {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		out := l.must(exitDone, "index", root)
		for _, want := range append(step.prints, " 0 captioned now") {
			if !strings.Contains(out.stdout+out.stderr, want) {
				t.Errorf("%s: index printed %q and %q, want %q in it", step.name, out.stdout, out.stderr, want)
			}
		}
		for _, word := range []string{word, "ukulele", "trombone", "clementine"} {
			var want []string
			if slices.Contains(strings.Fields(step.found), word) {
				want = []string{"a.jpg"}
			}
			if got := l.at(word, root); !slices.Equal(got, want) {
				t.Errorf("%s: %s finds %q, want %q", step.name, word, got, want)
			}
		}
	}

	// A change that no scan has seen yet is a difference, and is mended.
	if err := write(sidecar("My "+word, "ukulele"))(); err != nil {
		t.Fatal(err)
	}
	differences := lines[differenceLine](t, l.must(exitSomeFailed, "verify", "--json").stdout)
	if len(differences) != 1 || differences[0].Kind != verify.ChangedOnDisk || differences[0].Detail != "only its sidecar" {
		t.Errorf("verify says %+v", differences)
	}
	l.must(exitDone, "index", root)
	l.must(exitDone, "verify")

	rows, err := csv.NewReader(strings.NewReader(l.must(exitDone, "export", "--format", "csv").stdout)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
	exported := make(map[string]string)
	for i, column := range rows[0] {
		exported[column] = rows[1][i]
		if rows[2][0] == filepath.Join(root, "a.jpg") {
			exported[column] = rows[2][i]
		}
	}
	for column, want := range map[string]string{"title": "My " + word, "keywords": "ukulele", "people": "Clementine", "rating": "4"} {
		if exported[column] != want {
			t.Errorf("the export has the %s %q, want %q", column, exported[column], want)
		}
	}
}

func TestWatchTakesUpSidecars(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.jpg"), readSample(t, "astronaut.jpg"))
	watching := l.daemon("watch", "--quiet=300ms", root)
	l.await("what was there is captioned", func(s statusReport) bool { return s.Photos == 1 && !s.Index.Behind })
	writeFile(t, filepath.Join(root, "a.jpg.xmp"), sidecar("My "+word, "ukulele"))
	l.awaitAt("a new sidecar", word, root, []string{"a.jpg"})
	writeFile(t, filepath.Join(root, "a.jpg.xmp"), sidecar("My trombone", "ukulele"))
	l.awaitAt("a changed one", "trombone", root, []string{"a.jpg"})
	l.awaitAt("what it said before", word, root, []string{})
	if err := errors.Join(os.Mkdir(root+"/sub", 0o755), os.Rename(root+"/a.jpg", root+"/sub/b.jpg"),
		os.Rename(root+"/a.jpg.xmp", root+"/sub/b.jpg.xmp")); err != nil {
		t.Fatal(err)
	}
	l.awaitAt("both have moved", "trombone", root, []string{"sub/b.jpg"})
	if err := os.Remove(root + "/sub/b.jpg.xmp"); err != nil {
		t.Fatal(err)
	}
	l.awaitAt("it is gone", "trombone", root, []string{})
	watching.stop()
	if n := strings.Count(watching.stderr.String(), "msg=captioned photos=1"); n != 1 {
		t.Errorf("the model was asked %d times:\n%s", n, watching.stderr.String())
	}
}
