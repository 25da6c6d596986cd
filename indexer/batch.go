package indexer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"shoebox/captioner"
	"shoebox/storage"
)

// idleFlush is how long a batch that nothing is being read for waits for
// the next claim before it goes out incomplete.
const idleFlush = 20 * time.Millisecond

// batch collects items into batches for the model. Items that need no
// captioning ride along, in order: a copy is always committed after the
// photo it is a copy of.
func (w *Worker) batch(ctx context.Context, items <-chan item, batches chan<- []item) error {
	var current []item
	toCaption := 0
	send := func() error {
		select {
		case batches <- current:
			current, toCaption = nil, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		var idle <-chan time.Time
		if len(current) > 0 {
			idle = time.After(idleFlush)
		}
		select {
		case it, ok := <-items:
			if !ok {
				if len(current) > 0 {
					return send()
				}
				return nil
			}
			w.linkCopy(&it)
			current = append(current, it)
			if it.pixels != nil {
				toCaption++
				w.Stages.waiting.Add(1)
			}
			if toCaption < w.Batch && len(current) < mostItems*w.Batch {
				continue
			}
		case <-idle:
			if w.reading.Load() > 0 {
				continue // more is on its way
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := send(); err != nil {
			return err
		}
	}
}

// linkCopy makes an item a mere link when its content is on its way to be
// captioned already. What was committed since it was looked up is noticed
// before the model is called (stillUnknown): commit takes a photo out of
// uncommitted only when storage knows it.
func (w *Worker) linkCopy(it *item) {
	if it.pixels == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.uncommitted[it.result.PhotoID] {
		it.pixels, it.result.Photo = nil, nil
		return
	}
	w.uncommitted[it.result.PhotoID] = true
}

// call is a batch on its way through the model.
type call struct {
	items []item
	err   error
	done  chan struct{} // closed when items and err are settled
}

// caption runs the model over the batches, several at once. calls has them in
// the order in which they came.
func (w *Worker) caption(ctx context.Context, batches <-chan []item, calls chan<- *call) error {
	var running errgroup.Group
	running.SetLimit(w.Calls())
	for batch := range batches {
		c := &call{items: batch, done: make(chan struct{})}
		select {
		case calls <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
		running.Go(func() error {
			defer close(c.done)
			var todo []*item
			for i := range c.items {
				if c.items[i].pixels != nil {
					todo = append(todo, &c.items[i])
				}
			}
			w.Stages.waiting.Add(-int64(len(todo)))
			c.err = w.captionBatch(ctx, todo)
			return c.err
		})
	}
	return running.Wait()
}

// captionBatch captions what no other worker has captioned meanwhile. A
// model that fails on several pictures, and on a plain grey one too, ends the
// run: that says nothing about the files. So does one that hangs twice running.
func (w *Worker) captionBatch(ctx context.Context, items []*item) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	items, err := w.stillUnknown(ctx, items)
	if err != nil || len(items) == 0 {
		return err
	}
	err = w.compute(ctx, w.ModelThreads, func() error {
		for _, it := range items {
			w.Stages.Add(Waiting, 1, time.Since(it.decoded))
		}
		return w.captionItems(items)
	})
	if err != nil {
		return err
	}
	answered := func(it *item) bool { return it.captioned || it.result.Failure.Code == modelHangs }
	if len(items) == 1 || slices.ContainsFunc(items, answered) {
		return nil
	}
	size := w.Captioner.Size()
	grey := bytes.Repeat([]byte{128}, size.Width*size.Height*3)
	if _, err := w.Captioner.Describe([][]byte{grey}); err != nil {
		return fmt.Errorf("the model fails on every picture, try again with more memory or `shoebox doctor`: %w", err)
	}
	return nil
}

// stillUnknown turns items whose content another worker has captioned by now
// into links and returns the others.
func (w *Worker) stillUnknown(ctx context.Context, items []*item) ([]*item, error) {
	var ids []storage.PhotoID
	for _, it := range items {
		if !it.result.Claim.Recaption {
			ids = append(ids, it.result.PhotoID)
		}
	}
	if len(ids) == 0 {
		return items, nil
	}
	known, err := w.Queue.CaptionedPhotos(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look photos up: %w", err)
	}
	return slices.DeleteFunc(items, func(it *item) bool {
		if it.result.Claim.Recaption || !known[it.result.PhotoID] {
			return false
		}
		it.pixels, it.result.Photo = nil, nil
		return true
	}), nil
}

// captionItems captions items in one call. When the model fails on them,
// they are tried in halves until the one it fails on is alone. When it hangs on
// them, they become suspects. An error is the model's.
func (w *Worker) captionItems(items []*item) error {
	pixels := make([][]byte, len(items))
	for i, it := range items {
		pixels[i] = it.pixels
	}
	began := time.Now()
	descriptions, err := within(w.modelLimit, func() ([]captioner.Description, error) { return w.Captioner.Describe(pixels) })
	hangs := errors.Is(err, errHangs)
	hungBefore := w.modelHangs.Swap(hangs)
	switch {
	case err == nil:
		w.Stages.Add(Describing, len(items), time.Since(began))
		w.Stages.addBatch(len(items))
		for i, it := range items {
			describe(it.result.Photo, descriptions[i])
			it.captioned = true
			it.pixels = nil
		}
	case hangs && hungBefore:
		return fmt.Errorf("the model hangs, no answer for %s, twice running; the same command goes on with a new one", w.modelLimit)
	case hangs:
		slog.Error("the model hangs and keeps its processors until this process ends; its pictures are tried alone",
			"pictures", len(items), "after", w.modelLimit)
		for _, it := range items {
			it.result.Photo = nil
			it.result.Failure = modelHung(w.modelLimit)
		}
	case len(items) == 1:
		slog.Error("the model failed on a picture", "file", items[0].result.Claim.Path, "error", err)
		items[0].result.Photo = nil
		items[0].result.Failure = modelFailure(err)
	default:
		slog.Warn("the model failed on a batch, trying its halves", "pictures", len(items), "error", err)
		half := len(items) / 2
		if err := w.captionItems(items[:half]); err != nil {
			return err
		}
		return w.captionItems(items[half:])
	}
	return nil
}

// describe gives a photo what the model says of it. The caption that a person
// wrote for these pixels stays.
func describe(photo *storage.Photo, d captioner.Description) {
	if !photo.Edited {
		photo.Caption = d.Caption
	}
	photo.Seen = d.Seen
}

// commit stores each batch in one transaction and frees its slots. What has
// been captioned is stored even when the time is up.
func (w *Worker) commit(ctx context.Context, calls <-chan *call) error {
	for c := range calls {
		<-c.done
		if c.err != nil {
			return c.err
		}
		began := time.Now()
		if err := w.commitBatch(ctx, c.items); err != nil {
			return err
		}
		w.Stages.Add(Writing, len(c.items), time.Since(began))
		w.slots.Release(int64(len(c.items)))
		w.Committed()
	}
	return nil
}

func (w *Worker) commitBatch(ctx context.Context, batch []item) error {
	ctx, cancel := outlive(ctx, commitLimit)
	defer cancel()
	results := make([]storage.Result, 0, len(batch))
	var unread []int64
	for _, it := range batch {
		if it.givenBack {
			unread = append(unread, it.result.Claim.FileID)
			continue
		}
		if it.gone {
			missing := storage.ScanChanges{Missing: []int64{it.result.Claim.FileID}}
			err := w.Queue.ApplyScan(ctx, it.result.Claim.FolderID, missing)
			if err != nil && !errors.Is(err, storage.ErrUnknownFolder) {
				return fmt.Errorf("record a file that vanished: %w", err)
			}
			continue
		}
		results = append(results, it.result)
	}
	if len(unread) > 0 {
		if err := w.Queue.Release(ctx, w.Self.Owner, unread); err != nil {
			return fmt.Errorf("give back %d files: %w", len(unread), err)
		}
	}
	committed, err := w.Queue.Commit(ctx, w.Self.Owner, results)
	if err != nil {
		return fmt.Errorf("store %d captions: %w", len(results), err)
	}
	if lost := len(results) - committed; lost > 0 {
		slog.Info("results dropped: the files changed or another worker took them over", "files", lost)
	}
	w.mu.Lock()
	for _, r := range results {
		delete(w.uncommitted, r.PhotoID)
	}
	w.mu.Unlock()
	w.Progress.add(batch)
	return nil
}
