package search

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"

	"shoebox/search/columns"
)

// documents returns the first limit photos behind one (none: the beginning) in
// the order of their IDs, as they would be found.
func (g *generation) documents(ctx context.Context, after string, limit int) (hits []Hit, err error) {
	defer g.survive(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	hits, err = g.readDocuments(ctx, after, limit)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, damaged(g.path, err)
	default:
		return hits, nil
	}
}

func (g *generation) readDocuments(ctx context.Context, after string, limit int) (hits []Hit, err error) {
	store, err := g.index.Advanced()
	if err != nil {
		return nil, err
	}
	reader, err := store.Reader()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for len(hits) < limit {
		ids, err := idsAfter(reader, after, limit)
		if err != nil || len(ids) == 0 {
			return hits, err
		}
		for _, id := range ids[:min(len(ids), limit-len(hits))] {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			after = id
			hit, there, err := g.checked(reader, id)
			if err != nil {
				return nil, err
			}
			if there {
				hits = append(hits, hit)
			}
		}
	}
	return hits, nil
}

// idsAfter lists up to limit document IDs behind one, deleted ones too. Bleve's
// own iterator over all segments reads them in background goroutines, which
// would take the process along where a segment is damaged.
func idsAfter(reader index.IndexReader, after string, limit int) (ids []string, err error) {
	snapshot, ok := reader.(*scorch.IndexSnapshot)
	if !ok {
		return nil, errors.New("not an index of this kind")
	}
	for _, segment := range snapshot.Segments() {
		dictionary, err := segment.Segment().Dictionary("_id")
		if err != nil {
			return nil, err
		}
		terms := dictionary.AutomatonIterator(nil, []byte(after+"\x00"), nil)
		for range limit {
			entry, err := terms.Next()
			if err != nil {
				return nil, err
			}
			if entry == nil {
				break
			}
			ids = append(ids, entry.Term)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), limit)], nil
}

// stored reads what is stored of a photo, if it is there.
func stored(reader index.IndexReader, id string) (hit Hit, there bool, err error) {
	hit, _, there, err = storedPlace(reader, id)
	return hit, there, err
}

// storedPlace reads what is stored of a photo, with fieldPlace.
func storedPlace(reader index.IndexReader, id string) (hit Hit, place []byte, there bool, err error) {
	doc, err := reader.Document(id)
	if err != nil || doc == nil {
		return Hit{}, nil, false, err
	}
	err = fmt.Errorf("photo %s has no data", id)
	doc.VisitFields(func(f index.Field) {
		switch f.Name() {
		case fieldHit:
			err = hit.UnmarshalJSON(f.Value())
		case fieldPlace:
			place = f.Value()
		}
	})
	hit.Photo = id
	return hit, place, true, err
}

// checked reads what is stored of a photo. Where its columns do not hold what
// was written, Seen says so, which is nothing that NewHit makes.
func (g *generation) checked(reader index.IndexReader, id string) (Hit, bool, error) {
	hit, place, there, err := storedPlace(reader, id)
	if err != nil || !there {
		return hit, there, err
	}
	const slotSize = 5
	if len(place) != slotSize+4 {
		return hit, there, fmt.Errorf("photo %s has no place in the columns", id)
	}
	slot, _ := parseSlot(place[:slotSize])
	block, i := g.columns.View().At(slot)
	if block == nil || block.Checksum(i) != binary.BigEndian.Uint32(place[slotSize:]) {
		hit.Seen = "differs from what was written"
	}
	return hit, there, nil
}

// remove drops photos that storage does not know.
func (g *generation) remove(photos []string) (err error) {
	defer g.survive(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	p, err := g.openPostings()
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	batch := g.index.NewBatch()
	var left []columns.Slot
	for _, id := range photos {
		batch.Delete(id)
		slot, there, err := p.find(id)
		if err != nil {
			return err
		}
		if there {
			left = append(left, slot)
		}
	}
	writer := g.columns.Writer()
	err = errors.Join(writer.Remove(left), writer.Sync())
	if err == nil {
		err = g.write(batch)
	}
	writer.Publish()
	return err
}

// Documents implements Searcher.
func (ix *Index) Documents(ctx context.Context, after string, limit int) ([]Hit, error) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if ix.live == nil {
		return nil, ix.isBuilding()
	}
	return ix.live.documents(ctx, after, limit)
}

// Remove drops photos from the index that storage does not know and that the
// change feed can therefore not take out. Photos are the IDs of Hits.
func (ix *Index) Remove(ctx context.Context, photos []string) error {
	_, err := ix.alone(ctx, func(context.Context) (int, error) {
		ix.mu.RLock()
		defer ix.mu.RUnlock()
		if ix.live == nil {
			return 0, ix.isBuilding()
		}
		return 0, ix.live.remove(photos)
	})
	return err
}

// Remove drops photos from the index in dir, or asks the process that holds it
// to (Index.Remove).
func Remove(ctx context.Context, dir string, photos []string) error {
	_, err := hold(ctx, dir, func(ix *Index) (int, error) {
		return 0, ix.Remove(ctx, photos)
	}, request{Op: "remove", Photos: photos}, nil)
	return err
}

// Documents implements Searcher.
func (r *reader) Documents(ctx context.Context, after string, limit int) ([]Hit, error) {
	return r.g.documents(ctx, after, limit)
}

// Documents implements Searcher.
func (r *remote) Documents(ctx context.Context, after string, limit int) (hits []Hit, err error) {
	err = r.ask(ctx, request{Op: "documents", After: after, Limit: limit}, func(reply response) {
		hits = reply.Documents
	}, func(s Searcher) error {
		hits, err = s.Documents(ctx, after, limit)
		return err
	})
	return hits, err
}
