package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"shoebox/storage"
	"shoebox/storage/postgres"
)

// people write captions, and want to find them again whatever happens.
type people struct {
	database *database
	random   *rand.Rand

	mu sync.Mutex
	// edits are the captions that were acknowledged, by photo.
	edits map[id]string
	// carried are photos whose pixels had an acknowledged edit before they
	// were made: they have to show one of those for these pixels.
	carried map[id]bool
	texts   map[uint64]map[string]bool // acknowledged, by pixels
	photos  *photos
}

func newPeople(d *database, photos *photos, random *rand.Rand) *people {
	p := &people{
		database: d, random: random, photos: photos,
		edits: make(map[id]string), carried: make(map[id]bool), texts: make(map[uint64]map[string]bool),
	}
	photos.rewritten = p.rewritten
	return p
}

// edit writes one caption after another until ctx ends. What a crash kept from
// being acknowledged is said again.
func (p *people) edit(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		time.Sleep(time.Duration(p.random.Int64N(int64(3 * time.Second))))
		photo, found, err := p.database.photoFrom(ctx, id{byte(p.random.Uint32())})
		if err != nil || !found {
			continue // the database is away, or all photos are before that
		}
		text := fmt.Sprintf("What a person wrote, number %d.", n)
		for p.write(ctx, photo, text) != nil && ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// editOne writes a caption that has to be acknowledged.
func (p *people) editOne(t *testing.T) {
	t.Helper()
	photo, found, err := p.database.photoFrom(t.Context(), id{})
	if err == nil && found {
		err = p.write(t.Context(), photo, "What a person wrote in peace.")
	}
	if err != nil || !found {
		t.Fatal(found, err)
	}
}

// write edits a caption and notes what was acknowledged. An edit whose answer
// was lost may stand or not; it is only ever followed by the same again.
func (p *people) write(ctx context.Context, photo id, text string) error {
	store, err := postgres.Open(ctx, p.database.url())
	if err != nil {
		return err
	}
	defer store.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	c, made := p.photos.content(photo)
	if !made {
		return nil // half a file was taken for one
	}
	if p.texts[c.seen] == nil {
		p.texts[c.seen] = make(map[string]bool)
	}
	p.texts[c.seen][text] = true // it may stand even if that is not said
	if err := store.EditCaption(context.WithoutCancel(ctx), storage.PhotoID(photo), text); err != nil {
		delete(p.edits, photo) // the one before may be gone, too
		return err
	}
	p.edits[photo] = text
	return nil
}

// rewritten notes that a photo is about to get new bytes.
func (p *people) rewritten(from, to content) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, edited := p.edits[from.id]
	if edited || p.carried[from.id] {
		p.carried[to.id] = true
	}
}
