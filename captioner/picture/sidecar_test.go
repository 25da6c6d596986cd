package picture_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

func TestSidecarsAreFoundByTheNameOfTheirPicture(t *testing.T) {
	got := picture.SidecarsOf("holiday.2019/IMG_1.CR2")
	want := []string{
		"holiday.2019/IMG_1.CR2.xmp", "holiday.2019/IMG_1.CR2.XMP", "holiday.2019/IMG_1.xmp", "holiday.2019/IMG_1.XMP",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, name := range got {
		if !picture.IsSidecarName(name) || picture.IsPictureName(name) {
			t.Errorf("%s is no sidecar, or a picture", name)
		}
	}
	if picture.IsSidecarName("IMG_1.CR2") || picture.IsSidecarName("xmp") {
		t.Error("anything is a sidecar")
	}
}

func TestASidecarIsReadWholeOrNotAtAll(t *testing.T) {
	for name, c := range map[string]struct {
		packet string
		want   storage.Sidecar
		fails  bool
	}{
		"whole":                 {packet: cupXMP, want: storage.Sidecar{Title: "A cup", Keywords: []string{"coffee", "red"}, Rating: new(4)}},
		"without a rating":      {packet: strings.Replace(cupXMP, "xmp:Rating", "xmp:Label", 1), want: storage.Sidecar{Title: "A cup", Keywords: []string{"coffee", "red"}}},
		"with no stars":         {packet: `<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="0"/>`, want: storage.Sidecar{Rating: new(0)}},
		"of things not known":   {packet: `<a/>`},
		"cut off":               {packet: cupXMP[:len(cupXMP)-20], fails: true},
		"empty":                 {fails: true},
		"not of XMP":            {packet: "no XMP at all", fails: true},
		"a picture by its name": {packet: "\xff\xd8\xff\xe0\x00\x10JFIF", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := picture.ReadSidecar([]byte(c.packet))
			if !reflect.DeepEqual(got, c.want) || (err != nil) != c.fails {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}
