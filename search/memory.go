package search

import (
	"sync"

	"shoebox/search/columns"
)

// memory lends what a query fills by the block, until the query has been
// answered. Made anew, it would be most of the garbage: megabytes a query.
type memory struct{ lent []*[columns.BlockSize]byte }

var evidencePool = sync.Pool{New: func() any { return new([columns.BlockSize]byte) }}

// take lends a byte for each place of a block, all 0.
func (m *memory) take() []byte {
	evidence := evidencePool.Get().(*[columns.BlockSize]byte)
	clear(evidence[:])
	m.lent = append(m.lent, evidence)
	return evidence[:]
}

func (m *memory) giveBack() {
	for _, evidence := range m.lent {
		evidencePool.Put(evidence)
	}
	m.lent = nil
}

// scoresPool has a number for each place of a block.
var scoresPool = sync.Pool{New: func() any { return new([columns.BlockSize]int32) }}
