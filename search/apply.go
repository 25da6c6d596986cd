package search

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"

	"github.com/blevesearch/bleve/v2"

	"shoebox/search/columns"
	"shoebox/storage"
)

// apply takes changes over and makes them durable with the cursor behind them:
// the columns are written first and counted only by the batch that holds the
// cursor. What is written again after a crash is the same. An error may mean
// that Bleve holds the batch and has not written it yet.
// While an index is built, sync is false: it is used only once it is complete.
func (g *generation) apply(ctx context.Context, feed Feed, p page, sync bool) (err error) {
	defer g.survive(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	batch := g.index.NewBatch()
	placed, err := g.fill(ctx, feed, p, batch)
	written := false
	defer func() {
		if err != nil && !written {
			err = g.takeBack(placed, err)
		}
	}()
	if err != nil {
		return err
	}
	writer := g.columns.Writer()
	if sync {
		if err := writer.Sync(); err != nil {
			return err
		}
	}
	state, err := json.Marshal(writer.State())
	if err != nil {
		return err
	}
	cursor, err := json.Marshal(p.changes.Next)
	if err != nil {
		return err
	}
	batch.SetInternal(keyColumns, state)
	batch.SetInternal(keyCursor, cursor)
	err = g.write(batch)
	// What Bleve could not write to disk, it has taken over all the same and
	// writes later, our cursor with it.
	if now, cursorErr := g.cursor(); cursorErr == nil && now == p.changes.Next {
		written = true
		writer.Publish()
	}
	return err
}

// takeBack empties the slots of photos that were not committed because of
// cause, which it returns: the next attempt takes others, and no photo may be
// there twice.
func (g *generation) takeBack(placed []columns.Placed, cause error) error {
	var left []columns.Slot
	for _, r := range placed {
		if b, _ := g.columns.View().At(r.Slot); b == nil && !r.IsNew {
			left = append(left, r.Slot)
		}
	}
	err := errors.Join(cause, g.columns.Writer().Remove(left))
	if errors.Is(err, columns.ErrDamaged) {
		return damaged(g.path, err)
	}
	return err
}

// fill writes the columns of changed photos and puts their documents into a
// batch. It returns what it wrote or began to write.
func (g *generation) fill(ctx context.Context, feed Feed, page page, batch *bleve.Batch) (records []columns.Placed, err error) {
	p, err := g.openPostings()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	g.slots.keepOnly(p.snapshot)
	type shown struct {
		change storage.Change
		words  *vocabulary
		texts  texts
	}
	var all []shown
	learnt := make(map[string]*vocabulary) // unknown ones are asked for once a page
	var left []columns.Slot
	for i, change := range page.changes.Items {
		id := change.Photo.ID.String()
		slot, there, err := p.find(id)
		if err != nil {
			return nil, err
		}
		if len(change.Paths) == 0 {
			batch.Delete(id)
			if there {
				left = append(left, slot)
			}
			continue
		}
		model := change.Photo.Seen.Model
		if learnt[model] == nil {
			if learnt[model], err = g.learn(ctx, feed, model); err != nil {
				return nil, err
			}
		}
		v := learnt[model]
		all = append(all, shown{change, v, page.texts[i]})
		records = append(records, columns.Placed{Record: record(change, v, page.texts[i]), Slot: slot, IsNew: !there})
	}
	writer := g.columns.Writer()
	if err := writer.Put(records); err != nil {
		return records, err
	}
	for i, s := range all {
		doc, err := g.language.document(s.change, records[i], s.words, s.texts)
		if err != nil {
			return records, err
		}
		if err := batch.IndexAdvanced(doc); err != nil {
			return records, err
		}
	}
	return records, writer.Remove(left)
}

// learn returns a model's vocabulary, which the feed tells when it is new.
func (g *generation) learn(ctx context.Context, feed Feed, model string) (*vocabulary, error) {
	if model == "" {
		return noWords, nil
	}
	if known, ok := g.vocabularies.Load(model); ok {
		return known.(*vocabulary), nil
	}
	v, err := feed.Vocabulary(ctx, model)
	if errors.Is(err, storage.ErrUnknownModel) {
		return noWords, nil // its photos are found by their texts
	}
	if err != nil {
		return nil, err
	}
	if err := g.keepVocabulary(model, v); err != nil {
		return nil, err
	}
	return g.vocabulary(model)
}
