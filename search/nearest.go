package search

import (
	"errors"
	"slices"
	"strings"

	"shoebox/search/query"
)

// Nearest is a query that finds something where the one that was asked finds
// nothing. It is offered and never answered instead.
type Nearest struct {
	Query string `json:"query"`
	// Instead is the word of the query that no photo has and the word that
	// takes its place; both empty: the query is only shorter.
	Missing string `json:"missing,omitempty"`
	Instead string `json:"instead,omitempty"`
	Total   uint64 `json:"total"` // photos it finds
}

// mostNearest is how many queries are offered.
const mostNearest = 3

// nearest offers, for a query that finds nothing: where a word is in no photo
// at all, the query with the words most like it; where those find nothing
// either, the query without one of its parts.
func (c *compiler) nearest(r Request) ([]Nearest, error) {
	var offers []Nearest
	parts := []query.Node{r.Query.Root}
	if and, ok := r.Query.Root.(query.And); ok {
		parts = and.Nodes
	}
	for i, part := range parts {
		word, ok := part.(query.Word)
		if !ok {
			continue
		}
		if n, err := c.total(word, r); err != nil || n > 0 {
			if err != nil {
				return nil, err
			}
			continue
		}
		spellings, err := c.spellings(word.Text)
		if err != nil {
			return nil, err
		}
		for _, spelling := range spellings {
			offers = append(offers, Nearest{
				Query:   query.Query{Root: replaced(parts, i, query.Word{Text: spelling}), Sort: r.Query.Sort}.String(),
				Missing: word.Text, Instead: spelling,
			})
		}
	}
	found, err := c.counted(offers, r)
	if err != nil || len(found) > 0 || len(parts) == 1 {
		return found, err
	}
	offers = nil
	for i := range parts {
		offers = append(offers, Nearest{Query: query.Query{Root: replaced(parts, i, nil), Sort: r.Query.Sort}.String()})
	}
	return c.counted(offers, r)
}

// counted keeps the offers that find something.
func (c *compiler) counted(offers []Nearest, r Request) ([]Nearest, error) {
	var found []Nearest
	for _, offer := range offers {
		q, err := query.Parse(offer.Query)
		if err != nil || len(found) == mostNearest {
			continue
		}
		if offer.Total, err = c.total(q.Root, r); err != nil {
			return nil, err
		}
		if offer.Total > 0 {
			found = append(found, offer)
		}
	}
	return found, nil
}

// total is how many photos a query finds.
func (c *compiler) total(n query.Node, r Request) (uint64, error) {
	other := &compiler{ctx: c.ctx, g: c.g, postings: c.postings, view: c.view, memory: c.memory, textOnly: c.textOnly}
	request := Request{Query: query.Query{Root: n}, TextOnly: r.TextOnly}
	plan, err := other.compile(request)
	if err != nil {
		return 0, err
	}
	var result Result
	_, err = other.rank(plan, request, &result)
	return result.Total, err
}

// spellings are the words of the index that are spelled most like one.
func (c *compiler) spellings(word string) ([]string, error) {
	near, err := nearly(strings.ToLower(word))
	var tooLong *UseError
	if errors.As(err, &tooLong) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := c.known("", near)
	// One form of a word is enough.
	var stems, spellings []string
	for _, spelling := range found {
		if stem := stemOfWhole(spelling); !slices.Contains(stems, stem) && len(spellings) < mostNearest {
			stems, spellings = append(stems, stem), append(spellings, spelling)
		}
	}
	return spellings, err
}

// replaced are the parts of a query with another in place i, or without it for
// nil.
func replaced(parts []query.Node, i int, with query.Node) query.Node {
	var rest []query.Node
	for j, part := range parts {
		switch {
		case j != i:
			rest = append(rest, part)
		case with != nil:
			rest = append(rest, with)
		}
	}
	switch len(rest) {
	case 0:
		return nil
	case 1:
		return rest[0]
	default:
		return query.And{Nodes: rest}
	}
}
