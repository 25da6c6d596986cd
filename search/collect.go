package search

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"

	"shoebox/search/columns"
	"shoebox/storage"
)

// search answers a query. A file that has been damaged since it was opened
// is ErrDamaged too.
func (g *generation) search(ctx context.Context, r Request) (result Result, err error) {
	defer g.survive(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	result, err = g.collect(ctx, r)
	var use *UseError
	var pathError *fs.PathError
	switch {
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case errors.As(err, &use), errors.As(err, &pathError) && !errors.Is(err, fs.ErrNotExist):
		return Result{}, err // no rights, too many open files
	case err != nil:
		return Result{}, damaged(g.path, err)
	default:
		return result, nil
	}
}

func (g *generation) collect(ctx context.Context, r Request) (result Result, err error) {
	// The columns before the texts: what is committed in between is then at
	// most missing, and never found without its document.
	view := g.columns.View()
	p, err := g.openPostings()
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	c := &compiler{ctx: ctx, g: g, postings: p, view: view, memory: &memory{}, textOnly: r.TextOnly}
	defer c.memory.giveBack()
	plan, err := c.compile(r)
	if err != nil {
		return Result{}, err
	}
	best, err := c.rank(plan, r, &result)
	if err != nil {
		return Result{}, err
	}
	if plan.seen && len(best) < r.Limit {
		if best, err = c.rankPossible(best, plan, r, &result); err != nil {
			return Result{}, err
		}
	}
	for _, k := range best {
		hit, there, err := stored(p.snapshot, k.photo.String())
		if err == nil && !there {
			err = fmt.Errorf("photo %s is missing", k.photo)
		}
		if err != nil {
			return Result{}, err
		}
		if err := c.addRaw(&hit, k.slot); err != nil {
			return Result{}, err
		}
		hit.Relevance, hit.Possible = k.relevance, k.possible
		c.explain(&hit, k.slot)
		result.Hits = append(result.Hits, hit)
	}
	if n := len(best); n > 0 && n == r.Limit {
		result.Next = best[n-1].token(r.Query.Sort)
	}
	if result.Total == 0 {
		result.Nearest, err = c.nearest(r)
	}
	return result, err
}

// rankPossible adds, behind the photos that likely show what is wanted, those
// that only may.
func (c *compiler) rankPossible(best []key, likely *plan, r Request, result *Result) ([]key, error) {
	more := &compiler{ctx: c.ctx, g: c.g, postings: c.postings, view: c.view, memory: c.memory, possible: true}
	plan, err := more.compile(r)
	if err != nil {
		return nil, err
	}
	plan.root, plan.possible = every{plan.root, not{likely.root}}, true
	var rest Result
	r.Limit -= len(best)
	r.Facets = false
	found, err := more.rank(plan, r, &rest)
	result.Possible = rest.Total
	return append(best, found...), err
}

// addRaw adds the raw files beside a photo's to its paths: one shot is shown
// once.
func (c *compiler) addRaw(hit *Hit, slot columns.Slot) error {
	if c.view.Paired() == nil {
		return nil
	}
	block, place := c.view.At(slot)
	if block == nil || block.Flags()[place]&columns.Raw != 0 {
		return nil
	}
	var beside []storage.PhotoID
	err := c.postings.each(fieldShot, shotTerm(block.Shots()[place]), func(slots []columns.Slot) {
		for _, slot := range slots {
			if b, i := c.view.At(slot); b != nil && b.Flags()[i]&columns.Raw != 0 {
				beside = append(beside, b.Photos()[i])
			}
		}
	})
	for _, photo := range beside {
		raw, _, loading := stored(c.postings.snapshot, photo.String())
		hit.Paths = append(hit.Paths, raw.Paths...)
		err = errors.Join(err, loading)
	}
	return err
}
