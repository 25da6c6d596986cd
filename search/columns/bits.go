package columns

import (
	"encoding/binary"
	"math/bits"
)

// Bits has a bit for each slot of a block.
type Bits [BlockSize / 64]uint64

// Set sets the bit of a place.
func (b *Bits) Set(place int) { b[place/64] |= 1 << (place % 64) }

// Count is how many bits are set.
func (b *Bits) Count() (n int) {
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

// And keeps the bits that are set in other too.
func (b *Bits) And(other *Bits) {
	for i := range b {
		b[i] &= other[i]
	}
}

// AndNot drops the bits that are set in other.
func (b *Bits) AndNot(other *Bits) {
	for i := range b {
		b[i] &^= other[i]
	}
}

// Or adds the bits of other.
func (b *Bits) Or(other *Bits) {
	for i := range b {
		b[i] |= other[i]
	}
}

// IsEmpty reports whether no bit is set.
func (b *Bits) IsEmpty() bool {
	for _, word := range b {
		if word != 0 {
			return false
		}
	}
	return true
}

// Each calls visit for the place of each bit that is set, in order.
func (b *Bits) Each(visit func(place int)) {
	for i, word := range b {
		for ; word != 0; word &= word - 1 {
			visit(i*64 + bits.TrailingZeros64(word))
		}
	}
}

// Keep drops the bits of the places for which holds is false.
func (b *Bits) Keep(holds func(place int) bool) {
	for i, word := range b {
		for rest := word; rest != 0; rest &= rest - 1 {
			if !holds(i*64 + bits.TrailingZeros64(rest)) {
				word &^= rest & -rest
			}
		}
		b[i] = word
	}
}

// KeepAtLeast drops the bits of the places whose value is below least.
func KeepAtLeast[T int32 | int64](b *Bits, values []T, least T) {
	for i, word := range b {
		for rest := word; rest != 0; rest &= rest - 1 {
			if values[i*64+bits.TrailingZeros64(rest)] < least {
				word &^= rest & -rest
			}
		}
		b[i] = word
	}
}

// OrAtLeast sets the bits of the places whose byte in a column is at least
// least. It compares eight bytes at a time, and may leave out places whose bits
// are not set in of (nil: all).
func (b *Bits) OrAtLeast(column []byte, least byte, of *Bits) {
	const high, low = 0x8080808080808080, 0x0101010101010101
	// Bytes are compared without their highest bit, which then decides.
	rest := uint64(least&0x7f) * low
	whole := len(column) &^ 7
	for from := 0; from < whole; from += 64 {
		if of != nil && of[from/64] == 0 {
			continue
		}
		var word uint64
		for place := from; place < min(from+64, whole); place += 8 {
			eight := binary.LittleEndian.Uint64(column[place:])
			enough := (eight | high) - rest // its highest bit: the other seven are at least rest
			if least >= 0x80 {
				enough &= eight
			} else {
				enough |= eight
			}
			// The highest bits of eight bytes become the bits of one.
			gathered := (enough & high >> 7) * 0x0102040810204080 >> 56
			word |= gathered << (place % 64)
		}
		b[from/64] |= word
	}
	for place := whole; place < len(column); place++ {
		if column[place] >= least {
			b.Set(place)
		}
	}
}
