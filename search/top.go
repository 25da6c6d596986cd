package search

import (
	"bytes"
	"container/heap"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"

	"shoebox/search/columns"
	"shoebox/search/query"
	"shoebox/storage"
)

// key orders matches: the likely ones before those that are only possible, the
// greater numbers first, and of equals the smaller photo.
type key struct {
	order     order
	photo     storage.PhotoID
	slot      columns.Slot
	relevance float64
	possible  bool // and no more than that
}

// order is what photos are sorted by, the most significant number first.
type order [4]uint64

func (k key) compare(other key) int {
	switch {
	case k.possible != other.possible:
		return ahead(other.possible)
	case k.order != other.order:
		return slices.Compare(other.order[:], k.order[:])
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

// signed is the inverse of ordered.
func signed(x uint64) int64 { return int64(x ^ 1<<63) }

// top keeps the best matches behind a place.
type top struct {
	limit    int
	after    *key // nil: from the first on
	possible bool // what all keys are
	keys     []key
}

// The worst is the first (container/heap).
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
	t.drop(found, sort, scores, taken)
	// The first number tells of most photos that they are not among the best.
	first := func(place int) uint64 { return ordered(int64(scores[place])) }
	rest := func(place int) order { return order{1: ordered(taken[place])} }
	switch sort {
	case query.ByDate:
		first, rest = func(place int) uint64 { return ordered(taken[place]) }, none
	case query.ByOldest:
		first, rest = func(place int) uint64 { return oldest(taken[place]) }, none
	case query.ByName:
		first = func(place int) uint64 { return ^names[place][0] }
		rest = func(place int) order { n := names[place]; return order{1: ^n[1], 2: ^n[2], 3: ^n[3]} }
	}
	var worst order // what is below it is not among the best
	found.Each(func(place int) {
		most := first(place)
		if most < worst[0] {
			return
		}
		by := rest(place)
		by[0] = most
		if slices.Compare(by[:], worst[:]) < 0 {
			return
		}
		k := key{
			possible: t.possible, order: by, photo: photos[place],
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
			worst = t.keys[0].order
		}
	})
}

// drop drops most of the matches that are not among the best.
func (t *top) drop(found *columns.Bits, sort query.Sort, scores []int32, taken []int64) {
	if len(t.keys) < t.limit {
		return
	}
	least := signed(t.keys[0].order[0])
	switch sort {
	case query.ByRelevance:
		columns.KeepAtLeast(found, scores, int32(least))
	case query.ByDate:
		columns.KeepAtLeast(found, taken, least)
	}
}

func none(int) order { return order{} }

// oldest orders moments from the first to the last; unknown ones come behind.
func oldest(taken int64) uint64 {
	if taken == columns.NoTime {
		return 0
	}
	return ordered(-max(taken, math.MinInt64+1))
}

func (t *top) sorted() []key {
	slices.SortFunc(t.keys, key.compare)
	return t.keys[:min(len(t.keys), t.limit)]
}

// token is a place in the results, opaque to clients: what comes behind it is
// the same while photos come and go.
type token struct {
	Sort     query.Sort `json:"s,omitempty"`
	Possible bool       `json:"p,omitempty"`
	Order    order      `json:"o"`
	Photo    []byte     `json:"id"`
}

func (k key) token(sort query.Sort) string {
	data, _ := json.Marshal(token{sort, k.possible, k.order, k.photo[:]})
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
	if err != nil || t.Sort != sort || len(t.Photo) != len(storage.PhotoID{}) {
		return nil, &UseError{"the place in the results is not of this search: start again without it"}
	}
	return &key{possible: t.Possible, order: t.Order, photo: storage.PhotoID(t.Photo)}, nil
}
