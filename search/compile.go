package search

import (
	"context"

	"shoebox/search/columns"
	"shoebox/search/query"
)

// plan is a query in the terms of an index at one moment.
type plan struct {
	root matcher // nil: every photo
	// words are what the query looks for in texts and pictures, without what
	// it leaves out: what results are explained and marked by.
	words    []*wanted
	seen     bool // pictures are asked too
	possible bool // photos that only may show what is wanted
}

// compiler gives a query its meaning.
type compiler struct {
	ctx      context.Context
	g        *generation
	postings *postings
	view     *columns.View
	memory   *memory
	textOnly bool
	possible bool // photos that possibly show a word count too
	plan     plan
}

// compile turns a query into a plan.
func (c *compiler) compile(r Request) (*plan, error) {
	var err error
	switch root := r.Query.Root.(type) {
	case nil:
	case query.Or:
		if !r.Similar {
			c.plan.root, err = c.node(root, false)
			break
		}
		var parts []matcher
		parts, err = c.all(root.Nodes, true, false)
		c.plan.root = sum(parts)
	default:
		c.plan.root, err = c.node(root, false)
	}
	return &c.plan, err
}

// node compiles a part of a query; without: what matches it is left out.
func (c *compiler) node(n query.Node, without bool) (matcher, error) {
	switch n := n.(type) {
	case query.And:
		parts, err := c.all(n.Nodes, true, without)
		return every(parts), err
	case query.Or:
		parts, err := c.all(n.Nodes, false, without)
		return either(parts), err
	case query.Not:
		part, err := c.node(n.Node, !without)
		return not{part}, err
	case query.Word, query.Prefix, query.Fuzzy, query.Phrase:
		return c.words(n, without)
	default:
		return c.filter(n)
	}
}

// all compiles the parts of an AND or OR. Stop words beside other words are
// not required (skipStops), because captions choose theirs freely.
func (c *compiler) all(nodes []query.Node, skipStops, without bool) ([]matcher, error) {
	onlyStops := true
	for _, n := range nodes {
		switch n := n.(type) {
		case query.Word:
			onlyStops = onlyStops && c.g.language.isStopWord(n.Text)
		case query.Phrase, query.Prefix, query.Fuzzy, query.And, query.Or:
			onlyStops = false
		}
	}
	var parts []matcher
	for _, n := range nodes {
		if word, ok := n.(query.Word); ok && skipStops && !onlyStops && c.g.language.isStopWord(word.Text) {
			continue
		}
		part, err := c.node(n, without)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// words compiles what is looked for in texts and pictures.
func (c *compiler) words(n query.Node, without bool) (matcher, error) {
	w, err := c.want(n)
	if err != nil {
		return nil, err
	}
	if !without {
		c.plan.words = append(c.plan.words, w)
	}
	return c.look(w, without)
}
