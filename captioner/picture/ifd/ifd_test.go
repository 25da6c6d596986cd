package ifd

import (
	"slices"
	"testing"
)

// A big-endian file: a directory with a short, text elsewhere, three bytes in
// place, a type that does not exist, and values beyond the end.
const file = "MM\x00*\x00\x00\x00\x08" +
	"\x00\x05" +
	"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" +
	"\x01\x0F\x00\x02\x00\x00\x00\x06\x00\x00\x00\x4A" +
	"\xC6\x12\x00\x01\x00\x00\x00\x03\x01\x02\x03\x00" +
	"\x01\x00\x00\x63\x00\x00\x00\x01\x00\x00\x00\x07" +
	"\x01\x11\x00\x04\xFF\xFF\xFF\xFF\x00\x00\x00\x08" +
	"\x00\x00\x12\x34" +
	"Canon\x00"

func TestADirectoryIsReadAsFarAsItGoes(t *testing.T) {
	f, first, ok := Open([]byte(file))
	if !ok || first != 8 {
		t.Fatalf("first directory at %d, %v", first, ok)
	}
	d := f.Directory(first)
	if got := d.First(0x0112, 0); got != 6 {
		t.Errorf("a short is %d", got)
	}
	if got := d.Text(0x010F); got != "Canon" {
		t.Errorf("a text is %q", got)
	}
	if got := d.Numbers(0xC612); !slices.Equal(got, []uint32{1, 2, 3}) {
		t.Errorf("three bytes are %v", got)
	}
	if d.Bytes(0x0100) != nil || d.First(0x0111, 9) != 9 || d.Has(0x0999) {
		t.Error("what is not there has a value")
	}
	if !d.Has(0x0111) || d.Next != 0x1234 {
		t.Errorf("next directory at %#x", d.Next)
	}
	for end := range len(file) { // whatever is missing
		if f, first, ok := Open([]byte(file[:end])); ok {
			d := f.Directory(first)
			d.Text(0x010F)
			d.Numbers(0xC612)
		}
	}
	var none *Directory
	if none.Has(1) || none.Bytes(1) != nil || none.First(1, 5) != 5 {
		t.Error("no directory has tags")
	}
}

func TestOtherBytesAreNoFile(t *testing.T) {
	for _, data := range []string{"", "II*\x00", "XX*\x00\x08\x00\x00\x00"} {
		if _, _, ok := Open([]byte(data)); ok {
			t.Errorf("%q is a TIFF file", data)
		}
	}
	f, _, _ := Open([]byte("II*\x00\xFF\xFF\xFF\xFF"))
	if f.Directory(0xFFFFFFFF) != nil {
		t.Error("a directory beyond the end")
	}
}
