package heif

import (
	"bytes"

	"shoebox/captioner/picture/isobmff"
)

// hevcColor reads from a codec's configuration (hvcC) what the samples mean, as
// far as the sequence parameter set says so. It returns false where that cannot
// be read: there are features that no still picture uses.
func hevcColor(configuration []byte) (Color, bool) {
	const typeSPS = 33
	r := isobmff.Reader{Data: configuration}
	r.Bytes(22)
	for arrays := r.Uint(1); arrays > 0 && !r.Short; arrays-- {
		kind := r.Uint(1) & 0x3F
		for units := r.Uint(2); units > 0 && !r.Short; units-- {
			unit := r.Bytes(int(r.Uint(2)))
			if kind == typeSPS && len(unit) > 2 {
				return spsColor(unit[2:])
			}
		}
	}
	return Color{}, false
}

// spsColor reads a sequence parameter set, H.265 section 7.3.2.2, up to its
// colours.
func spsColor(set []byte) (Color, bool) {
	// 00 00 03 stands for 00 00, so that no marker comes about by chance.
	b := bits{data: bytes.ReplaceAll(set, []byte{0, 0, 3}, []byte{0, 0})}
	b.read(4)
	layers := b.read(3)
	if b.read(1); layers != 0 {
		return Color{}, false // pictures in several qualities
	}
	b.skip(96)           // profile, tier, level
	b.golomb()           // number of the set
	if b.golomb() == 3 { // subsampling
		b.read(1)
	}
	b.golombs(2) // size
	if b.flag() {
		b.golombs(4) // crop
	}
	b.golombs(3)     // depths, order of pictures
	b.read(1)        // one layer has the same fields either way
	b.golombs(3 + 6) // buffering, block sizes
	if scaled := b.flag(); scaled && b.flag() {
		return Color{}, false // scaling lists of its own
	}
	b.read(2)
	if b.flag() { // samples without compression
		b.read(8)
		b.golombs(2)
		b.read(1)
	}
	if b.golomb() != 0 { // pictures that refer to others
		return Color{}, false
	}
	if b.flag() {
		return Color{}, false
	}
	b.read(2)
	c := Color{Matrix: 2} // what holds where nothing is said
	if b.flag() {
		b.readUsability(&c)
	}
	return c, !b.short
}

// readUsability reads the beginning of section E.2.1.
func (b *bits) readUsability(c *Color) {
	if b.flag() && b.read(8) == 255 { // aspect ratio
		b.read(32)
	}
	if b.flag() { // overscan
		b.read(1)
	}
	if b.flag() {
		b.read(3) // video format
		c.FullRange = b.flag()
		if b.flag() {
			b.read(16) // primaries, transfer
			c.Matrix = int(b.read(8))
		}
	}
}

// bits reads a bit stream.
type bits struct {
	data  []byte
	at    int // in bits
	short bool
}

func (b *bits) read(n int) (value uint64) {
	for range n {
		if b.at/8 >= len(b.data) {
			b.short = true
			return 0
		}
		value = value<<1 | uint64(b.data[b.at/8]>>(7-b.at%8)&1)
		b.at++
	}
	return value
}

func (b *bits) flag() bool { return b.read(1) == 1 }

func (b *bits) skip(n int) { b.at += n }

// golomb reads a number in exponential Golomb code: as many zeros as there are
// bits behind the first one.
func (b *bits) golomb() uint64 {
	zeros := 0
	for !b.flag() {
		if zeros++; zeros > 32 || b.short {
			b.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + b.read(zeros)
}

func (b *bits) golombs(n int) {
	for range n {
		b.golomb()
	}
}
