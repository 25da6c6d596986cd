package isobmff

import (
	"slices"
	"testing"
)

func TestBoxesAreListedAsFarAsTheyFit(t *testing.T) {
	const one = "\x00\x00\x00\x09one A"
	for name, c := range map[string]struct {
		data string
		want []string // types and data
	}{
		"nothing":              {"", nil},
		"two":                  {one + "\x00\x00\x00\x08two ", []string{"one A", "two "}},
		"a long size":          {"\x00\x00\x00\x01big \x00\x00\x00\x00\x00\x00\x00\x12AB" + one, []string{"big AB", "one A"}},
		"up to the end":        {"\x00\x00\x00\x00all ABC", []string{"all ABC"}},
		"one that is cut off":  {"\x00\x00\x01\x00cut ABC", []string{"cut ABC"}},
		"a size below its own": {one + "\x00\x00\x00\x07bad ABC", []string{"one A"}},
		"a long size below":    {"\x00\x00\x00\x01bad \x00\x00\x00\x00\x00\x00\x00\x0FABC", nil},
		"a beginning alone":    {one + "\x00\x00\x00", []string{"one A"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for box := range Boxes([]byte(c.data)) {
				got = append(got, box.Type+string(box.Data))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := string(Find([]byte(one), "one ")); got != "A" || Find([]byte(one), "two ") != nil {
		t.Errorf("found %q", got)
	}
}

func TestAReaderSaysWhenItWasShort(t *testing.T) {
	r := Reader{Data: []byte{1, 0, 0, 2, 3, 4}}
	if version, flags := r.FullBox(); version != 1 || flags != 2 {
		t.Errorf("version %d, flags %d", version, flags)
	}
	if n := r.Uint(2); n != 0x0304 || r.Short {
		t.Errorf("%#x, short %v", n, r.Short)
	}
	if n := r.Uint(1); n != 0 || !r.Short {
		t.Errorf("%#x beyond the end, short %v", n, r.Short)
	}
}
