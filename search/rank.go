package search

import (
	"shoebox/search/columns"
	"shoebox/search/query"
)

// share is what one of the goroutines of rank found.
type share struct {
	best   *top
	total  uint64
	facets *counter                  // nil: nobody asked
	scores *[columns.BlockSize]int32 // of one block after the other
}

// rank finds the best matches, best first, counts all, and fills facets in.
func (c *compiler) rank(plan *plan, r Request, result *Result) ([]key, error) {
	after, err := parseToken(r.After, r.Query.Sort)
	if err != nil {
		return nil, err
	}
	blocks := c.view.Blocks
	shares := make([]share, workers(len(blocks)))
	for i := range shares {
		shares[i].best = &top{limit: max(r.Limit, 0), after: after, possible: plan.possible}
		shares[i].scores = scoresPool.Get().(*[columns.BlockSize]int32)
		defer scoresPool.Put(shares[i].scores)
		clear(shares[i].scores[:])
		if r.Facets {
			shares[i].facets = newCounter()
		}
	}
	err = c.g.inParallel(c.ctx, len(blocks), func(worker, n int) error {
		c.rankBlock(plan, blocks[n], r.Query.Sort, &shares[worker])
		return nil
	})
	if err != nil {
		return nil, err
	}
	whole := shares[0]
	for _, other := range shares[1:] {
		whole.add(other)
	}
	result.Total = whole.total
	if whole.facets != nil {
		if result.Facets, err = whole.facets.facets(c.view); err != nil {
			return nil, err
		}
	}
	return whole.best.sorted(), nil
}

// add takes over what another goroutine found.
func (s *share) add(other share) {
	s.total += other.total
	s.best.keys = append(s.best.keys, other.best.keys...)
	if s.facets != nil {
		s.facets.merge(other.facets)
	}
}

// rankBlock adds the matches of a block to a share.
func (c *compiler) rankBlock(plan *plan, b *columns.Block, sort query.Sort, into *share) {
	var found columns.Bits
	found.OrAtLeast(b.Flags(), 1, nil)
	if paired := c.view.Paired(); paired != nil {
		found.AndNot(&paired[b.Number])
	}
	if plan.root != nil {
		plan.root.narrow(b, &found)
	}
	n := found.Count()
	if n == 0 {
		return
	}
	into.total += uint64(n)
	if into.facets != nil {
		into.facets.add(b, &found)
	}
	if into.best.limit == 0 {
		return
	}
	if sort == query.ByRelevance && plan.root != nil {
		clear(into.scores[:])
		plan.root.score(b, &found, into.scores[:])
	}
	into.best.add(b, &found, sort, into.scores[:])
}
