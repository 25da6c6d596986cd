package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// now is when the tests of this file begin.
var now = time.Unix(1_700_000_000, 0)

func sorted(paths []string) []string {
	slices.Sort(paths)
	return paths
}

func TestHintsOfAFolderAreDueTogetherAfterAPause(t *testing.T) {
	h := hints{wait: 2 * time.Second}
	h.add("a/1.jpg", now)
	h.add("a/1.jpg", now)
	h.add("2.jpg", now.Add(time.Second))
	h.add("a/3.jpg", now.Add(time.Second))
	if paths, next, _ := h.take(now.Add(time.Second)); len(paths) > 0 || !next.Equal(now.Add(2*time.Second)) {
		t.Errorf("after a second %q are due, the next at %v", paths, next)
	}
	if paths, next, _ := h.take(now.Add(2 * time.Second)); !slices.Equal(sorted(paths), []string{"a/1.jpg", "a/3.jpg"}) || !next.Equal(now.Add(3*time.Second)) {
		t.Errorf("after two seconds %q are due, the next at %v", paths, next)
	}
	if paths, _, _ := h.take(now.Add(3 * time.Second)); !slices.Equal(paths, []string{"2.jpg"}) {
		t.Errorf("after three seconds %q are due", paths)
	}
	if paths, next, _ := h.take(now.Add(time.Hour)); len(paths) > 0 || !next.IsZero() {
		t.Errorf("%q are left, the next at %v", paths, next)
	}
}

func TestManyHintsAreOne(t *testing.T) {
	fill := func(h *hints, dir string, n int) {
		for i := range n {
			h.add(join(dir, fmt.Sprint(i)), now)
		}
	}
	cases := []struct {
		name string
		add  func(h *hints)
		want []string
	}{
		{"of a folder: the folder", func(h *hints) { fill(h, "a/b", mostInFolder+1); h.add("c", now) }, []string{"a/b", "c"}},
		{"directly in the root: the root", func(h *hints) { fill(h, "", mostInFolder+1); h.add("a/b", now) }, []string{""}},
		{"of many folders: the root", func(h *hints) {
			for i := range mostInRoot/100 + 1 {
				fill(h, fmt.Sprint(i), 100)
			}
		}, []string{""}},
		{"the root itself: the root", func(h *hints) { h.add("a", now); h.add("", now); h.add("b", now) }, []string{""}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var h hints
			c.add(&h)
			if paths, _, _ := h.take(now); !slices.Equal(sorted(paths), c.want) {
				t.Errorf("%d are due, %.40q; want %q", len(paths), paths, c.want)
			}
			h.add("next", now)
			for paths, _, _ := h.take(now); ; paths, _, _ = h.take(now) {
				if slices.Contains(paths, "next") {
					break
				}
				if len(paths) == 0 {
					t.Fatal("a hint that came later is lost")
				}
			}
		})
	}
}

func TestWhoeverWaitsHearsOfTheNextHint(t *testing.T) {
	var h hints
	_, _, changed := h.take(now)
	select {
	case <-changed:
		t.Fatal("there is none yet")
	default:
	}
	h.add("a", now)
	<-changed
}
