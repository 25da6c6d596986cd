package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrAlbum means that a query with saved queries in it cannot be expanded. It
// comes wrapped, with the reason.
var ErrAlbum = errors.New("the saved query cannot be used")

// Expand puts saved queries in place of q's Albums; album looks one up. The
// order of a saved query counts only where all of q is that album and has no
// order of its own.
//
// Its errors are those of album, wrapped with the name, and ErrAlbum: for a
// saved query that contains itself, for one of every photo within a greater
// query, and for an expansion beyond what Parse allows.
func Expand(q Query, album func(name string) (Query, error)) (Query, error) {
	x := &expansion{album: album}
	expanded, err := x.query(q)
	if err != nil {
		return Query{}, err
	}
	if groups(expanded.Root) > maxDepth {
		return Query{}, fmt.Errorf("%w: parentheses would be nested more than %d deep", ErrAlbum, maxDepth)
	}
	return expanded, nil
}

type expansion struct {
	album func(name string) (Query, error)
	path  []string // of names, each in the query saved as the one before
	terms int      // seen so far
}

func (x *expansion) query(q Query) (Query, error) {
	switch root := q.Root.(type) {
	case nil:
		return q, nil
	case Album:
		saved, err := x.open(root.Name)
		if q.Sort != ByRelevance {
			saved.Sort = q.Sort
		}
		return saved, err
	default:
		var err error
		q.Root, err = x.node(root)
		return q, err
	}
}

// open looks up a saved query and expands it.
func (x *expansion) open(name string) (Query, error) {
	switch {
	case slices.Contains(x.path, name):
		return Query{}, fmt.Errorf("%w: @%s contains itself (%s)", ErrAlbum, name,
			x.trail(name))
	case len(x.path) == maxDepth:
		return Query{}, fmt.Errorf("%w: @%s is within more than %d others", ErrAlbum, name, maxDepth)
	}
	saved, err := x.album(name)
	if err != nil {
		return Query{}, fmt.Errorf("%s: %w", x.trail(name), err)
	}
	x.path = append(x.path, name)
	expanded, err := x.query(saved)
	x.path = x.path[:len(x.path)-1]
	return expanded, err
}

// trail says through which saved queries name was reached.
func (x *expansion) trail(name string) string {
	return "@" + strings.Join(append(slices.Clone(x.path), name), " -> @")
}

func (x *expansion) node(n Node) (Node, error) {
	switch n := n.(type) {
	case And:
		nodes, err := x.nodes(n.Nodes)
		return allOf(nodes), err
	case Or:
		nodes, err := x.nodes(n.Nodes)
		return anyOf(nodes), err
	case Not:
		inner, err := x.node(n.Node)
		return noneOf(inner), err
	case Album:
		saved, err := x.open(n.Name)
		if err == nil && saved.Root == nil {
			err = fmt.Errorf("%w: @%s is every photo, which can only stand alone", ErrAlbum, n.Name)
		}
		return saved.Root, err
	default:
		if x.terms++; x.terms > maxTerms {
			return nil, fmt.Errorf("%w: the query would have more than %d words and filters", ErrAlbum, maxTerms)
		}
		return n, nil
	}
}

func (x *expansion) nodes(nodes []Node) ([]Node, error) {
	expanded := make([]Node, len(nodes))
	for i, n := range nodes {
		var err error
		if expanded[i], err = x.node(n); err != nil {
			return nil, err
		}
	}
	return expanded, nil
}

// groups counts the parentheses that String nests around a part of n.
func groups(n Node) int {
	deepest := 0
	switch n := n.(type) {
	case And:
		for _, part := range n.Nodes {
			inner := groups(part)
			if _, ok := part.(Or); ok {
				inner++
			}
			deepest = max(deepest, inner)
		}
	case Or:
		for _, part := range n.Nodes {
			deepest = max(deepest, groups(part))
		}
	case Not:
		deepest = groups(n.Node)
		switch n.Node.(type) {
		case And, Or:
			deepest++
		}
	}
	return deepest
}
