package query

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var seeds = []string{
	"two dogs in the snow", `"in the snow" -cat`, "“x” -taken:..2019", "a:b", "--", `"`, "\xff", "\ufffd\xc3", "OR NOT !a",
	"a OR (b -(c OR d*)) e~ sort:date", "sort:relevance", "-(-a)", "((a)", "a OR sort:name OR b", "@my-trip_2 -@x",
	"taken:2019-05..2020-02", "camera:canon", `camera:"EOS 40D"`, "name:IMG_2*", "folder:/a/b.c lens:OR",
	"near:48.85,2.35", "near:-1,2,3mi", "box:-1,170,1,-170", "iso:>800 iso:<=3 iso:1..2 iso:..4",
	"f:2.8 exposure:1/250s exposure:1/3..2 focal:50mm width:4000px height:<1080", "has:gps by:me by:model",
}

func FuzzParse(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			checkPlace(t, text, err)
			return
		}
		checkRoundTrip(t, q)
	})
}

// FuzzExpand saves the lines of a text as queries a, b, c and so on, and
// expands the first; it also takes the text for a description.
func FuzzExpand(f *testing.F) {
	for _, seed := range seeds {
		f.Add("-@b @c\n" + seed + "\na OR @b")
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := Similar(text); err == nil {
			checkRoundTrip(t, q)
		} else {
			checkPlace(t, text, err)
		}
		lines := strings.Split(text, "\n")
		saved := func(name string) (Query, error) {
			line := int(name[0]) - 'a'
			if line < 0 || line >= len(lines) {
				return Query{}, errors.New("not saved")
			}
			return Parse(lines[line])
		}
		q, err := saved("a")
		if err != nil {
			return
		}
		expanded, err := Expand(q, saved)
		if err != nil {
			return
		}
		if holdsAlbum(expanded.Root) {
			t.Fatalf("a saved query is left in %q of %q", expanded, text)
		}
		checkRoundTrip(t, expanded)
	})
}

// holdsAlbum reports whether a saved query is left in n.
func holdsAlbum(n Node) bool {
	switch n := n.(type) {
	case And:
		return slices.ContainsFunc(n.Nodes, holdsAlbum)
	case Or:
		return slices.ContainsFunc(n.Nodes, holdsAlbum)
	case Not:
		return holdsAlbum(n.Node)
	}
	_, ok := n.(Album)
	return ok
}

func checkPlace(t *testing.T, text string, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is not an *Error: %v", err, err)
	}
	if e.At < 1 || e.At > utf8.RuneCountInString(text)+1 {
		t.Fatalf("place %d is outside of %q", e.At, text)
	}
	e.Mark()
}

func checkRoundTrip(t *testing.T, q Query) {
	t.Helper()
	again, err := Parse(q.String())
	if err != nil || !reflect.DeepEqual(again, q) {
		t.Fatalf("%#v, printed as %q, reads as %#v, %v", q, q, again, err)
	}
	checkShape(t, q.Root)
}

// checkShape checks what the types promise: no And in an And, and so on.
func checkShape(t *testing.T, n Node) {
	t.Helper()
	switch n := n.(type) {
	case And:
		checkParts(t, n, n.Nodes)
	case Or:
		checkParts(t, n, n.Nodes)
	case Not:
		if _, ok := n.Node.(Not); ok {
			t.Fatalf("%q leaves out what is left out", n)
		}
		checkShape(t, n.Node)
	}
}

func checkParts(t *testing.T, n Node, parts []Node) {
	t.Helper()
	if len(parts) < 2 {
		t.Fatalf("%#v has fewer than two parts", n)
	}
	for _, part := range parts {
		if reflect.TypeOf(part) == reflect.TypeOf(n) {
			t.Fatalf("%#v in its like", part)
		}
		checkShape(t, part)
	}
}
