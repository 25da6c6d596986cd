// Package isobmff takes apart files that consist of boxes: the ISO base media
// file format, of which HEIC, AVIF and Canon's CR3 are kinds.
//
// It never copies, never fails and knows no box's meaning: a box that does not
// fit ends the list that it is in.
package isobmff

import (
	"encoding/binary"
	"iter"
)

// Box is a box without its header.
type Box struct {
	Type string // four bytes
	Data []byte
}

// Boxes lists the boxes that a file, or a box's data, consists of. The data of
// one that is cut off ends with the file.
func Boxes(data []byte) iter.Seq[Box] {
	return func(yield func(Box) bool) {
		for len(data) >= 8 {
			size, header := uint64(binary.BigEndian.Uint32(data)), uint64(8)
			switch size {
			case 0:
				size = uint64(len(data)) // up to the end
			case 1:
				if len(data) < 16 {
					return
				}
				size, header = binary.BigEndian.Uint64(data[8:]), 16
			}
			if size < header {
				return
			}
			end := min(size, uint64(len(data)))
			if !yield(Box{string(data[4:8]), data[header:end]}) {
				return
			}
			data = data[end:]
		}
	}
}

// Find returns the data of the first box of a type; nil: there is none.
func Find(data []byte, kind string) []byte {
	for box := range Boxes(data) {
		if box.Type == kind {
			return box.Data
		}
	}
	return nil
}

// Reader takes big-endian numbers off the front of a box's data.
type Reader struct {
	Data []byte
	// Short says that more was wanted than there was; everything read since
	// then is zero.
	Short bool
}

// Uint reads a number of 0 to 8 bytes.
func (r *Reader) Uint(bytes int) (n uint64) {
	for _, b := range r.Bytes(bytes) {
		n = n<<8 | uint64(b)
	}
	return n
}

// Bytes reads n bytes; nil where there are fewer.
func (r *Reader) Bytes(n int) []byte {
	if r.Short || n < 0 || n > len(r.Data) {
		r.Short = true
		return nil
	}
	b := r.Data[:n]
	r.Data = r.Data[n:]
	return b
}

// FullBox reads the version and the flags with which many boxes begin.
func (r *Reader) FullBox() (version uint8, flags uint32) {
	n := uint32(r.Uint(4))
	return uint8(n >> 24), n & 0xFFFFFF
}
