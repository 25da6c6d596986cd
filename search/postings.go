package search

import (
	"errors"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	"github.com/blevesearch/vellum"

	"shoebox/search/columns"
)

// postings reads which photos hold a term from Bleve's segments, as slots of
// the columns. It goes around Bleve's searchers, which score every photo, and
// around its iterators over all segments, which read in background goroutines
// and would take the process along where a segment is damaged.
type postings struct {
	snapshot *scorch.IndexSnapshot
	g        *generation
	bases    []uint64 // of each segment, the number of its first document
}

// openPostings reads what the index holds now, whatever is written meanwhile.
func (g *generation) openPostings() (*postings, error) {
	store, err := g.index.Advanced()
	if err != nil {
		return nil, err
	}
	reader, err := store.Reader()
	if err != nil {
		return nil, err
	}
	snapshot, ok := reader.(*scorch.IndexSnapshot)
	if !ok {
		return nil, errors.Join(errors.New("not an index of this kind"), reader.Close())
	}
	p := &postings{snapshot: snapshot, g: g}
	base := uint64(0)
	for _, s := range snapshot.Segments() {
		p.bases = append(p.bases, base)
		base += s.Segment().Count()
	}
	return p, nil
}

func (p *postings) Close() error { return p.snapshot.Close() }

// each calls visit for the photos whose field holds a term, some at a time; it
// may not keep the slice.
func (p *postings) each(field, term string, visit func([]columns.Slot)) error {
	for _, s := range p.snapshot.Segments() {
		documents, err := documentsWith(s, field, term)
		if err != nil {
			return err
		}
		if err := p.slotsOf(s, documents, visit); err != nil {
			return err
		}
	}
	return nil
}

// slotsOf calls visit for the slots of a segment's documents, some at a time.
func (p *postings) slotsOf(s *scorch.SegmentSnapshot, documents *roaring.Bitmap, visit func([]columns.Slot)) error {
	if documents.IsEmpty() {
		return nil
	}
	translate, err := p.g.slots.of(s, documents.GetCardinality())
	if err != nil {
		return err
	}
	numbers := make([]uint32, 1024)
	slots := make([]columns.Slot, len(numbers))
	for all := documents.ManyIterator(); ; {
		n := all.NextMany(numbers)
		if n == 0 {
			return nil
		}
		if err := translate(numbers[:n], slots); err != nil {
			return err
		}
		visit(slots[:n])
	}
}

// documentsWith are the documents of a segment that hold a term in a field, not
// to be changed.
func documentsWith(s *scorch.SegmentSnapshot, field, term string) (*roaring.Bitmap, error) {
	found, err := list(s, field, term)
	if err != nil {
		return nil, err
	}
	all := found.Iterator(false, false, false, nil)
	if fast, ok := all.(segment.OptimizablePostingsIterator); ok && fast.ActualBitmap() != nil {
		return fast.ActualBitmap(), nil
	}
	documents := roaring.New()
	for {
		posting, err := all.Next()
		if err != nil || posting == nil {
			return documents, err
		}
		documents.Add(uint32(posting.Number()))
	}
}

// list is where in a segment a term is, without what was deleted.
func list(s *scorch.SegmentSnapshot, field, term string) (segment.PostingsList, error) {
	dictionary, err := s.Segment().Dictionary(field)
	if err != nil {
		return nil, err
	}
	return dictionary.PostingsList([]byte(term), s.Deleted(), nil)
}

// count is how many photos hold a term in a field.
func (p *postings) count(field, term string) (n uint64, err error) {
	for _, s := range p.snapshot.Segments() {
		documents, err := list(s, field, term)
		if err != nil {
			return 0, err
		}
		n += documents.Count()
	}
	return n, nil
}

// terms calls visit for the terms of a field that begin with a prefix and that
// an automaton accepts (nil: all), segment by segment, so that one may come
// several times.
func (p *postings) terms(field, prefix string, accepted vellum.Automaton, visit func(term string) error) error {
	var end []byte // the first term behind those with the prefix; nil: none is
	for i := len(prefix) - 1; i >= 0 && end == nil; i-- {
		if prefix[i] < 0xff {
			end = append([]byte(prefix[:i]), prefix[i]+1)
		}
	}
	for _, s := range p.snapshot.Segments() {
		dictionary, err := s.Segment().Dictionary(field)
		if err != nil {
			return err
		}
		for all := dictionary.AutomatonIterator(accepted, []byte(prefix), end); ; {
			entry, err := all.Next()
			if err != nil {
				return err
			}
			if entry == nil {
				break
			}
			if err := visit(entry.Term); err != nil {
				return err
			}
		}
	}
	return nil
}

// slotOf is where the document of an internal ID lies.
func (p *postings) slotOf(id index.IndexInternalID) (columns.Slot, error) {
	number := id.Value()
	i := len(p.bases) - 1
	for number < p.bases[i] {
		i--
	}
	translate, err := p.g.slots.of(p.snapshot.Segments()[i], 1)
	if err != nil {
		return 0, err
	}
	slots := make([]columns.Slot, 1)
	err = translate([]uint32{uint32(number - p.bases[i])}, slots)
	return slots[0], err
}

// find is where a photo lies; false: the index does not hold it.
func (p *postings) find(id string) (columns.Slot, bool, error) {
	internal, err := p.snapshot.InternalID(id)
	if err != nil || internal == nil {
		return 0, false, err
	}
	slot, err := p.slotOf(internal)
	return slot, err == nil, err
}

// slotCache knows the slots of segments, which never change. Reading all of a
// segment pays when a good part of it is asked for.
type slotCache struct {
	mu       sync.Mutex
	segments map[uint64]*segmentSlots
}

type segmentSlots struct {
	mu    sync.Mutex
	all   []columns.Slot // nil: not read yet
	asked uint64         // how many were read one by one
}

// of returns the function that tells the slots of a segment's documents, of
// which about n will be asked for. It is for one goroutine.
func (c *slotCache) of(s *scorch.SegmentSnapshot, n uint64) (func(documents []uint32, into []columns.Slot) error, error) {
	known := c.segment(s.Id())
	known.mu.Lock()
	defer known.mu.Unlock()
	values, ok := s.Segment().(segment.DocValueVisitable)
	if !ok {
		return nil, errors.New("not an index of this kind")
	}
	var state segment.DocVisitState
	read := func(document uint64) (slot columns.Slot, err error) {
		found := false
		state, err = values.VisitDocValues(document, []string{fieldSlot}, func(_ string, term []byte) {
			slot, found = parseSlot(term)
		}, state)
		if err == nil && !found {
			err = errors.New("a document has no slot")
		}
		return slot, err
	}
	known.asked += n
	const cheap = 16 // a single slot costs as much as so many in a row
	if known.all == nil && known.asked*cheap < s.Segment().Count() {
		return func(documents []uint32, into []columns.Slot) (err error) {
			for i, document := range documents {
				if into[i], err = read(uint64(document)); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}
	if known.all == nil {
		all := make([]columns.Slot, s.Segment().Count())
		for i := range all {
			slot, err := read(uint64(i))
			if err != nil {
				return nil, err
			}
			all[i] = slot
		}
		known.all = all
	}
	all := known.all
	return func(documents []uint32, into []columns.Slot) error {
		for i, document := range documents {
			if int(document) >= len(all) {
				return errors.New("a posting lies outside of its segment")
			}
			into[i] = all[document]
		}
		return nil
	}, nil
}

func (c *slotCache) segment(id uint64) *segmentSlots {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.segments == nil {
		c.segments = make(map[uint64]*segmentSlots)
	}
	if c.segments[id] == nil {
		c.segments[id] = &segmentSlots{}
	}
	return c.segments[id]
}

// appendSlot writes a slot as a term, in 7 bits a byte: Bleve uses the byte 0xff
// between the values of a document.
func appendSlot(to []byte, slot columns.Slot) []byte {
	for shift := 28; shift >= 0; shift -= 7 {
		to = append(to, byte(slot>>shift)&0x7f)
	}
	return to
}

// parseSlot reads what appendSlot writes.
func parseSlot(term []byte) (slot columns.Slot, ok bool) {
	for _, seven := range term {
		slot = slot<<7 | columns.Slot(seven)
	}
	return slot, len(term) == 5
}

// keepOnly forgets segments that are not in a snapshot any more.
func (c *slotCache) keepOnly(snapshot *scorch.IndexSnapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	live := make(map[uint64]bool)
	for _, s := range snapshot.Segments() {
		live[s.Id()] = true
	}
	for id := range c.segments {
		if !live[id] {
			delete(c.segments, id)
		}
	}
}
