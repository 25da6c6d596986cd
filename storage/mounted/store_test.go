package mounted

import (
	"context"
	"slices"
	"testing"

	"shoebox/storage"
)

// onePhoto is a Store that holds a photo with two files.
type onePhoto struct{ storage.Store }

func (onePhoto) PhotosByID(context.Context, []storage.PhotoID) ([]storage.Change, error) {
	return []storage.Change{{Paths: []string{"/a/x.jpg", "/b/y.jpg"}, Roots: []string{"/a", "/b"}}}, nil
}

func TestAPathKeepsItsRootWhenTheOrderChanges(t *testing.T) {
	s := Store{Store: onePhoto{}, Mounts: Mounts{"/a": "/mnt/z"}}
	changes, err := s.PhotosByID(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := changes[0]; !slices.Equal(c.Paths, []string{"/b/y.jpg", "/mnt/z/x.jpg"}) || !slices.Equal(c.Roots, []string{"/b", "/mnt/z"}) {
		t.Errorf("paths %q of roots %q", c.Paths, c.Roots)
	}
}
