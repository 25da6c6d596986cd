// Package ifd reads the directories (IFDs) of TIFF files and of what is built
// like them: EXIF data and most cameras' raw files.
//
// It never reads pixels and never fails: what is not there, or points outside
// the file, is absent. Nothing is copied, and no chain of directories is
// followed here, so hostile files cost no more than their size.
package ifd

import (
	"bytes"
	"encoding/binary"
)

// File is a TIFF file.
type File struct {
	data  []byte
	order binary.ByteOrder
}

// Open reads the first eight bytes of a file and returns where its first
// directory is. Cameras put other numbers where TIFF has its 42, so only the
// byte order is looked at.
func Open(data []byte) (f File, first uint32, ok bool) {
	if len(data) < 8 {
		return File{}, 0, false
	}
	f = File{data, binary.LittleEndian}
	switch string(data[:2]) {
	case "II":
	case "MM":
		f.order = binary.BigEndian
	default:
		return File{}, 0, false
	}
	return f, f.order.Uint32(data[4:]), true
}

// Directory holds the entries of a directory by their tags. Nil: there is
// none.
type Directory struct {
	file    File
	entries map[uint16][]byte
	// Next is where the next directory of the chain is; 0: there is none.
	Next uint32
}

// Directory reads the directory at an offset; nil where there is none. Of one
// that is cut off, what is there counts.
func (f File) Directory(offset uint32) *Directory {
	at := int64(offset)
	if at+2 > int64(len(f.data)) {
		return nil
	}
	n := f.order.Uint16(f.data[at:])
	d := &Directory{file: f, entries: make(map[uint16][]byte)}
	for at += 2; n > 0; n-- {
		if at+12 > int64(len(f.data)) {
			return d
		}
		entry := f.data[at : at+12]
		if tag := f.order.Uint16(entry); d.entries[tag] == nil {
			d.entries[tag] = entry
		}
		at += 12
	}
	if at+4 <= int64(len(f.data)) {
		d.Next = f.order.Uint32(f.data[at:])
	}
	return d
}

// typeSizes are the bytes that a value of each of TIFF's types takes.
var typeSizes = [...]int64{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

// Has reports whether a tag is there.
func (d *Directory) Has(tag uint16) bool { return d != nil && d.entries[tag] != nil }

// Bytes returns a tag's values as they are in the file; nil where there are
// none or they lie outside the file.
func (d *Directory) Bytes(tag uint16) []byte {
	value, _ := d.value(tag)
	return value
}

func (d *Directory) value(tag uint16) (value []byte, size int64) {
	if !d.Has(tag) {
		return nil, 0
	}
	entry := d.entries[tag]
	kind := int(d.file.order.Uint16(entry[2:]))
	if kind >= len(typeSizes) || typeSizes[kind] == 0 {
		return nil, 0
	}
	size = typeSizes[kind]
	length := size * int64(d.file.order.Uint32(entry[4:]))
	if length <= 4 {
		return entry[8 : 8+length], size
	}
	offset := int64(d.file.order.Uint32(entry[8:]))
	if offset+length > int64(len(d.file.data)) {
		return nil, 0
	}
	return d.file.data[offset : offset+length], size
}

// Offset returns where a tag's values begin and how many bytes they take,
// whether or not the file is so long: raw files keep pictures in tags.
func (d *Directory) Offset(tag uint16) (offset, length int64) {
	if !d.Has(tag) {
		return 0, 0
	}
	entry := d.entries[tag]
	return int64(d.file.order.Uint32(entry[8:])), int64(d.file.order.Uint32(entry[4:]))
}

// maxNumbers is how many values of a tag are returned: no tag that matters
// here has more that do.
const maxNumbers = 16

// Numbers returns the first 16 values of a tag of bytes, shorts or longs.
func (d *Directory) Numbers(tag uint16) (numbers []uint32) {
	value, size := d.value(tag)
	for ; size > 0 && int64(len(value)) >= size && len(numbers) < maxNumbers; value = value[size:] {
		switch size {
		case 1:
			numbers = append(numbers, uint32(value[0]))
		case 2:
			numbers = append(numbers, uint32(d.file.order.Uint16(value)))
		case 4:
			numbers = append(numbers, d.file.order.Uint32(value))
		default:
			return nil
		}
	}
	return numbers
}

// First returns a tag's first value, or the default.
func (d *Directory) First(tag uint16, otherwise uint32) uint32 {
	if numbers := d.Numbers(tag); len(numbers) > 0 {
		return numbers[0]
	}
	return otherwise
}

// Text returns a tag's text up to its first zero byte.
func (d *Directory) Text(tag uint16) string {
	text, _, _ := bytes.Cut(d.Bytes(tag), []byte{0})
	return string(text)
}
