package main

import (
	"fmt"
	"strconv"
	"strings"
)

// byteSize is a flag for an amount of memory, in bytes: "800M", "2G".
type byteSize int64

// leastMemory decodes any usual photo, one at a time.
const leastMemory = 100 << 20

// defaultMemory is what reading and decoding may take together. With the model
// and its batch the process stays under 1 GB (README, "Measured").
const defaultMemory = 800 << 20

func (b *byteSize) Set(text string) error {
	number, unit := strings.TrimRight(text, "MGiBb"), byteSize(0)
	switch strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(text, number), "B"), "i") {
	case "M":
		unit = 1 << 20
	case "G":
		unit = 1 << 30
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || unit == 0 || !(n > 0 && n < 1<<20) {
		return fmt.Errorf("want an amount of memory like 800M or 2G")
	}
	size := byteSize(n * float64(unit))
	if size < leastMemory {
		return fmt.Errorf("want %dM or more", leastMemory>>20)
	}
	*b = size
	return nil
}

func (b *byteSize) String() string { return fmt.Sprintf("%dM", int64(*b)>>20) }

func (b *byteSize) Type() string { return "size" }
