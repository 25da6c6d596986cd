package search

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/blevesearch/bleve/v2/search"
	index "github.com/blevesearch/bleve_index_api"

	"shoebox/search/query"
)

// search answers a query. A file that has been damaged since it was opened
// is ErrDamaged too.
func (g *generation) search(ctx context.Context, q query.Node, limit int) (result Result, err error) {
	m, err := g.language.compile(q)
	if err != nil {
		return Result{}, err
	}
	defer g.survive(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	result, err = g.collect(ctx, m, max(limit, 0))
	switch {
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case err != nil:
		return Result{}, damaged(g.path, err)
	default:
		return result, nil
	}
}

func (g *generation) collect(ctx context.Context, m *match, limit int) (result Result, err error) {
	store, err := g.index.Advanced()
	if err != nil {
		return Result{}, err
	}
	reader, err := store.Reader() // what the index holds now, whatever is written meanwhile
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	best, total, err := rank(ctx, reader, m, g.language, limit)
	if err != nil {
		return Result{}, err
	}
	result.Total = total
	for _, c := range best {
		hit, err := load(reader, c.id)
		if err != nil {
			return Result{}, err
		}
		hit.Relevance = c.score
		hit.Marks = m.find(g.language, hit.Caption)
		result.Hits = append(result.Hits, hit)
	}
	return result, nil
}

// load reads what is stored of a photo that was found.
func load(reader index.IndexReader, id string) (Hit, error) {
	hit, there, err := stored(reader, id)
	if err == nil && !there {
		err = errors.New("photo " + id + " is missing")
	}
	return hit, err
}

// candidate is a match that may be among the best.
type candidate struct {
	score float64
	id    string
}

// better orders candidates: by score, then by photo.
func better(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id))
}

// worstFirst is a heap of candidates.
type worstFirst []candidate

func (h worstFirst) Len() int           { return len(h) }
func (h worstFirst) Less(i, j int) bool { return better(h[i], h[j]) > 0 }
func (h worstFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *worstFirst) Push(x any)        { *h = append(*h, x.(candidate)) }
func (h *worstFirst) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// rank returns the best limit matches, best first, and counts all. Bleve's own
// collector, told to order by score and ID, reads the ID of every match; here
// only those are read whose score is good enough, which takes a third of the
// time.
func rank(ctx context.Context, reader index.IndexReader, m *match, l *language, limit int) (best worstFirst, total uint64, err error) {
	matches, err := m.Searcher(ctx, reader, l.mapping, search.SearcherOptions{})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, matches.Close()) }()
	sc := &search.SearchContext{
		DocumentMatchPool: search.NewDocumentMatchPool(matches.DocumentMatchPoolSize()+1, 0),
		IndexReader:       reader,
	}
	for {
		if total%1024 == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		d, err := matches.Next(sc)
		if err != nil {
			return nil, 0, err
		}
		if d == nil {
			slices.SortFunc(best, better)
			return best, total, nil
		}
		total++
		full := len(best) == limit
		if limit > 0 && (!full || d.Score >= best[0].score) {
			c := candidate{score: d.Score}
			if c.id, err = reader.ExternalID(d.IndexInternalID); err != nil {
				return nil, 0, err
			}
			switch {
			case !full:
				heap.Push(&best, c)
			case better(c, best[0]) < 0:
				best[0] = c
				heap.Fix(&best, 0)
			}
		}
		sc.DocumentMatchPool.Put(d)
	}
}
