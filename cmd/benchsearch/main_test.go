package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"shoebox/captioner/model"
	"shoebox/search"
	"shoebox/storage"
)

// smallLibrary is made of ten captions of two pictures.
func smallLibrary(t *testing.T, photos int) *library {
	t.Helper()
	path := filepath.Join(t.TempDir(), "captions.tsv.gz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(file)
	for i := range 2 * captionsOfPhoto {
		fmt.Fprintf(zipped, "%d.jpg\t%d\ttrain\tTwo brown dogs run over the white snow beside a quiet frozen lake number %s .\n",
			i/captionsOfPhoto, i%captionsOfPhoto, strings.Repeat("x", i+1))
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	artifact, err := model.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLibrary(photos, path, artifact.Vocabulary, true)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTheLibraryIsTheSameEachTimeAndEveryPhotoAnother(t *testing.T) {
	one, other := smallLibrary(t, 250), smallLibrary(t, 250)
	seen := make(map[storage.PhotoID]bool)
	var cursor storage.Cursor
	for more := true; more; {
		changes, err := one.Changes(t.Context(), cursor, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes.Items {
			if again := other.photo(len(seen)); !reflect.DeepEqual(c, again) {
				t.Fatalf("photo %d is\n%+v, then\n%+v", len(seen), c, again)
			}
			seen[c.Photo.ID] = true
		}
		cursor, more = changes.Next, changes.More
	}
	if len(seen) != 250 {
		t.Errorf("%d photos, want 250", len(seen))
	}
}

func TestEveryKindOfQueryCanBeAsked(t *testing.T) {
	l := smallLibrary(t, 500)
	dir := t.TempDir()
	if _, err := search.CatchUp(t.Context(), dir, l); err != nil {
		t.Fatal(err)
	}
	index, err := search.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	d, err := newDraw(l)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			questions, err := d.questions(k, 10)
			if err != nil || len(questions) == 0 {
				t.Fatalf("%d questions: %v", len(questions), err)
			}
			for _, q := range questions {
				if _, err := index.Search(t.Context(), q.request); err != nil {
					t.Errorf("%s: %v", q.text, err)
				}
			}
		})
	}
}

func TestMeasureAsksEveryQueryInEveryRound(t *testing.T) {
	asked := make([]chan int, 7)
	for i := range asked {
		asked[i] = make(chan int, 3)
	}
	l, err := measure(t.Context(), len(asked), 3, 2, func(_ context.Context, client, i int) error {
		asked[i] <- client
		return nil
	})
	if err != nil || len(l.all) != 21 || len(l.busy) != 21 {
		t.Errorf("%d and %d times: %v", len(l.all), len(l.busy), err)
	}
	for i := range asked {
		if len(asked[i]) != 3 {
			t.Errorf("query %d was asked %d times, want 3", i, len(asked[i]))
		}
	}
}

func TestPercentilesAreOfTheSortedTimes(t *testing.T) {
	var times []time.Duration
	for i := range 101 {
		times = append(times, time.Duration(i))
	}
	for _, p := range []int{0, 50, 99, 100} {
		if got := percentile(times, p); got != time.Duration(p) {
			t.Errorf("percentile %d is %d", p, got)
		}
	}
	if got := percentile(nil, 99); got != 0 {
		t.Errorf("the percentile of nothing is %d", got)
	}
}
