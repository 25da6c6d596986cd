package captioner

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoebox/captioner/picture"
)

func TestEachWordOfASentenceHasItsLook(t *testing.T) {
	shares := []float32{1, 0, 0, 1, 0.5, 0.5, 0.25, 0.75} // the last two are of <eos>
	got, err := looks("A dog a.", shares, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []Look{{"A", 0, 1, shares[0:2]}, {"dog", 2, 5, shares[2:4]}, {"a", 6, 7, shares[4:6]}}
	if !slices.EqualFunc(got, want, func(a, b Look) bool {
		return a.Word == b.Word && a.Start == b.Start && a.End == b.End && slices.Equal(a.Share, b.Share)
	}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, err := looks("", shares, 2); err != nil || len(got) != 0 {
		t.Errorf("no words have %+v, %v", got, err)
	}
	for name, spoilt := range map[string][]float32{
		"too few":        shares[:5],
		"not a number":   {1, 0, float32(math.NaN()), 1, 0.5, 0.5},
		"less than none": {1, 0, -1, 1, 0.5, 0.5},
	} {
		if got, err := looks("A dog a.", spoilt, 2); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAnExplanationSaysWhereTheModelLooked(t *testing.T) {
	c, err := openShipped(t, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "photos", "chelsea.png"))
	if err != nil {
		t.Fatal(err)
	}
	pic, err := picture.Decode(data, c.Size())
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Explain(pic.Pixels)
	if err != nil {
		t.Fatal(err)
	}
	described, err := c.Describe([][]byte{pic.Pixels})
	if err != nil {
		t.Fatal(err)
	}
	if e.Caption != described[0].Caption {
		t.Errorf("%+v is explained, %+v is described", e.Caption, described[0].Caption)
	}
	if len(e.Looks) != len(strings.Fields(e.Caption.Text)) || e.Columns < 2 || e.Rows < 2 {
		t.Fatalf("%q has %d looks of %dx%d", e.Caption.Text, len(e.Looks), e.Columns, e.Rows)
	}
	for _, look := range e.Looks {
		sum := float32(0)
		for _, share := range look.Share {
			sum += share
		}
		if e.Caption.Text[look.Start:look.End] != look.Word || len(look.Share) != e.Columns*e.Rows || math.Abs(float64(sum)-1) > 1e-3 {
			t.Errorf("%+v of %q: its shares add up to %g", look, e.Caption.Text, sum)
		}
	}
	if slices.Equal(e.Looks[0].Share, e.Looks[len(e.Looks)-1].Share) {
		t.Error("the first and the last word looked at the same places")
	}
}
