package search

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime/debug"
	"slices"

	"shoebox/search/columns"
	"shoebox/search/query"
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
	c := &compiler{ctx: ctx, g: g, postings: p, view: view, textOnly: r.TextOnly}
	plan, err := c.compile(r)
	if err != nil {
		return Result{}, err
	}
	best, err := plan.rank(ctx, view, r, &result)
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
	more := &compiler{ctx: c.ctx, g: c.g, postings: c.postings, view: c.view, possible: true}
	plan, err := more.compile(r)
	if err != nil {
		return nil, err
	}
	plan.root, plan.possible = every{plan.root, not{likely.root}}, true
	var rest Result
	r.Limit -= len(best)
	r.Facets = false
	found, err := plan.rank(c.ctx, c.view, r, &rest)
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
	err := c.postings.each(fieldShot, shotTerm(block.Shots()[place]), func(slot columns.Slot) {
		if b, i := c.view.At(slot); b != nil && b.Flags()[i]&columns.Raw != 0 {
			beside = append(beside, b.Photos()[i])
		}
	})
	for _, photo := range beside {
		raw, _, loading := stored(c.postings.snapshot, photo.String())
		hit.Paths = append(hit.Paths, raw.Paths...)
		err = errors.Join(err, loading)
	}
	return err
}

// rank finds the best matches, best first, counts all, and fills facets in.
func (plan *plan) rank(ctx context.Context, view *columns.View, r Request, result *Result) ([]key, error) {
	after, err := parseToken(r.After, r.Query.Sort)
	if err != nil {
		return nil, err
	}
	best := &top{limit: max(r.Limit, 0), after: after, possible: plan.possible}
	scores := make([]int32, columns.BlockSize)
	var facets *counter
	if r.Facets {
		facets = newCounter()
	}
	for _, b := range view.Blocks {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var found columns.Bits
		found.OrAtLeast(b.Flags(), 1)
		if paired := view.Paired(); paired != nil {
			found.AndNot(&paired[b.Number])
		}
		if plan.root != nil {
			plan.root.narrow(b, &found)
		}
		n := found.Count()
		if n == 0 {
			continue
		}
		result.Total += uint64(n)
		if facets != nil {
			facets.add(b, &found)
		}
		if best.limit == 0 {
			continue
		}
		if r.Query.Sort == query.ByRelevance && plan.root != nil {
			clear(scores)
			plan.root.score(b, &found, scores)
		}
		best.add(b, &found, r.Query.Sort, scores)
	}
	if facets != nil {
		if result.Facets, err = facets.facets(view); err != nil {
			return nil, err
		}
	}
	return best.sorted(), nil
}

// key orders matches: the likely ones before those that are only possible, the
// greater numbers first, and of equals the smaller photo.
type key struct {
	major, minor uint64
	photo        storage.PhotoID
	slot         columns.Slot
	relevance    float64
	possible     bool // and no more than that
}

func (k key) compare(other key) int {
	switch {
	case k.possible != other.possible:
		return ahead(other.possible)
	case k.major != other.major:
		return ahead(k.major > other.major)
	case k.minor != other.minor:
		return ahead(k.minor > other.minor)
	default:
		return bytes.Compare(k.photo[:], other.photo[:])
	}
}

func ahead(yes bool) int {
	if yes {
		return -1
	}
	return 1
}

// ordered maps signed numbers to unsigned ones in the same order.
func ordered(x int64) uint64 { return uint64(x) ^ 1<<63 }

// top keeps the best matches behind a place.
type top struct {
	limit    int
	after    *key // nil: from the first on
	possible bool // what all keys are
	keys     []key
}

// Top is a heap with the worst on top.
func (t *top) Len() int           { return len(t.keys) }
func (t *top) Less(i, j int) bool { return t.keys[i].compare(t.keys[j]) > 0 }
func (t *top) Swap(i, j int)      { t.keys[i], t.keys[j] = t.keys[j], t.keys[i] }
func (t *top) Push(x any)         { t.keys = append(t.keys, x.(key)) }
func (t *top) Pop() any {
	last := len(t.keys) - 1
	k := t.keys[last]
	t.keys = t.keys[:last]
	return k
}

// add takes the matches of a block.
func (t *top) add(b *columns.Block, found *columns.Bits, sort query.Sort, scores []int32) {
	taken, names, photos := b.Taken(), b.SortNames(), b.Photos()
	major := func(place int) uint64 { return ordered(int64(scores[place])) }
	minor := func(place int) uint64 { return ordered(taken[place]) }
	switch sort {
	case query.ByDate:
		major, minor = minor, none
	case query.ByOldest:
		major, minor = func(place int) uint64 { return oldest(taken[place]) }, none
	case query.ByName:
		major = func(place int) uint64 { return ^names[place][0] }
		minor = func(place int) uint64 { return ^names[place][1] }
	}
	var worst, worstMinor uint64 // what is below them is not among the best
	found.Each(func(place int) {
		first := major(place)
		if first < worst {
			return
		}
		second := minor(place)
		if first == worst && second < worstMinor {
			return
		}
		k := key{
			possible: t.possible, major: first, minor: second, photo: photos[place],
			slot: columns.Slot(b.Number*columns.BlockSize + place), relevance: float64(scores[place]) / nat,
		}
		full := len(t.keys) == t.limit
		if t.after != nil && k.compare(*t.after) <= 0 || full && k.compare(t.keys[0]) > 0 {
			return
		}
		if full {
			t.keys[0] = k
			heap.Fix(t, 0)
		} else {
			heap.Push(t, k)
		}
		if len(t.keys) == t.limit {
			worst, worstMinor = t.keys[0].major, t.keys[0].minor
		}
	})
}

func none(int) uint64 { return 0 }

// oldest orders moments from the first to the last; unknown ones come behind.
func oldest(taken int64) uint64 {
	if taken == columns.NoTime {
		return 0
	}
	return ordered(-max(taken, math.MinInt64+1))
}

func (t *top) sorted() []key {
	slices.SortFunc(t.keys, key.compare)
	return t.keys
}

// token is a place in the results, opaque to clients: what comes behind it is
// the same while photos come and go.
type token struct {
	Sort     query.Sort      `json:"sort"`
	Possible bool            `json:"possible"`
	Major    uint64          `json:"major"`
	Minor    uint64          `json:"minor"`
	Photo    storage.PhotoID `json:"photo"`
}

func (k key) token(sort query.Sort) string {
	data, _ := json.Marshal(token{sort, k.possible, k.major, k.minor, k.photo})
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseToken(text string, sort query.Sort) (*key, error) {
	if text == "" {
		return nil, nil
	}
	var t token
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil || t.Sort != sort || t.Photo == (storage.PhotoID{}) {
		return nil, &UseError{"the place in the results is not of this search: start again without it"}
	}
	return &key{possible: t.Possible, major: t.Major, minor: t.Minor, photo: t.Photo}, nil
}
