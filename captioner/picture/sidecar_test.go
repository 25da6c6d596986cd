package picture_test

import (
	"reflect"
	"slices"
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

func TestASidecarCountsMoreThanThePictureBesideIt(t *testing.T) {
	file := storage.Metadata{Camera: "Canon EOS 40D", Title: "old", Description: "kept", Keywords: []string{"old"}, Rating: 1}
	got := picture.WithSidecar(file, []byte(cupXMP))
	want := storage.Metadata{Camera: "Canon EOS 40D", Title: "A cup", Description: "kept", Keywords: []string{"coffee", "red"}, Rating: 4}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := picture.WithSidecar(file, []byte("no XMP at all")); !reflect.DeepEqual(got, file) {
		t.Errorf("an unreadable sidecar makes %+v", got)
	}
}
