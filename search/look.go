package search

import (
	"slices"

	"shoebox/search/columns"
)

// look makes the matcher of what is wanted: by its columns in the blocks whose
// models look for it, and by what is said in the others.
func (c *compiler) look(w *wanted, without bool) (matcher, error) {
	w.found = &looker{blocks: make([][]column, len(c.view.Blocks))}
	known := make([]*vocabulary, len(c.view.Blocks))
	for i, b := range c.view.Blocks {
		known[i] = noWords
		if c.textOnly {
			continue
		}
		var err error
		if known[i], err = c.g.vocabulary(b.Model); err != nil {
			return nil, err
		}
		w.found.blocks[i] = c.columns(w, b, known[i], without)
		c.plan.seen = c.plan.seen || len(w.found.blocks[i]) > 0
	}
	for _, run := range w.runs {
		if err := c.say(w, run, known, without); err != nil {
			return nil, err
		}
	}
	return w.found, nil
}

// columns are those of a block that are evidence for what is wanted. A model
// tells a word from its synonyms: only where it does not know the word itself,
// they stand for it.
func (c *compiler) columns(w *wanted, b *columns.Block, v *vocabulary, without bool) (found []column) {
	_, knowsIt := v.places[w.own()]
	for _, r := range w.runs {
		if place, known := v.places[r.seen]; known && (r.kind != synonym || !knowsIt) {
			found = append(found, column{evidence: b.Word(place), least: c.least(v, place, without)})
		}
	}
	return found
}

// say adds what is said. Where a model looks for a run, its columns tell what
// is said too, but not apart from what is seen: what is to be left out is
// looked for in the texts of all, and so are synonyms.
func (c *compiler) say(w *wanted, r run, known []*vocabulary, without bool) error {
	unseen := func(v *vocabulary) bool {
		_, seen := v.places[r.seen]
		return !seen || without || r.kind == synonym
	}
	if !slices.ContainsFunc(known, unseen) {
		return nil
	}
	said := c.newSaid()
	for i, v := range known {
		if !unseen(v) {
			said.weights[i] = noEvidence
			continue
		}
		// A word is as rare in a block whose model does not know it as another
		// model says.
		for _, judge := range append([]*vocabulary{v}, known...) {
			if own, knowsIt := judge.places[w.own()]; knowsIt {
				said.weights[i] = judge.weights(own, r.kind, judge == v)
				break
			}
		}
	}
	for _, group := range textGroups {
		if err := c.sayIn(group, r.stems, said); err != nil {
			return err
		}
	}
	if r.seen != "" && !c.textOnly && !without {
		err := c.postings.each(fieldKinds, r.seen, func(slots []columns.Slot) { said.raise(slots, isKind) })
		if err != nil {
			return err
		}
	}
	for i, evidence := range said.evidence {
		if evidence != nil {
			kind := byte(isKind)
			if weights := said.weights[i]; weights != nil {
				kind = weights[isKind]
			}
			w.found.blocks[i] = append(w.found.blocks[i], column{evidence: evidence, least: 1, kind: kind})
		}
	}
	return nil
}

// weights turn evidence of texts (saidIn) into that of a picture word. What a
// model says in place of the word is enough to be found; hasColumn: and no
// more, since the word's own column tells better what the picture shows.
func (v *vocabulary) weights(word int, kind runKind, hasColumn bool) *[256]byte {
	byModel := min(min(v.sure[word], 255-saidByModel)+saidByModel, v.person[word]-1)
	byKind := min(v.likely[word], v.person[word]-1)
	switch {
	case kind == synonym && hasColumn:
		byModel, byKind = 1, 0 // kinds are in the column (foldKinds)
	case kind == synonym:
		byModel = v.likely[word]
	}
	weights := &[256]byte{isKind: byKind, saidByPerson: v.person[word]}
	for said := isKind + 1; said < saidByPerson; said++ {
		weights[said] = byModel
	}
	return weights
}

// sayIn adds where a group of fields holds stems beside each other.
func (c *compiler) sayIn(group textGroup, stems []string, said *said) error {
	raise := func(field string) func([]columns.Slot) {
		evidence := saidIn[field]
		return func(slots []columns.Slot) { said.raise(slots, evidence) }
	}
	if len(stems) == 2 {
		return c.postings.each(group.pairs, stems[0]+pairSeparator+stems[1], raise(group.fields[0]))
	}
	for _, field := range group.fields {
		var err error
		if len(stems) == 1 {
			err = c.postings.each(field, stems[0], raise(field))
		} else {
			err = c.postings.phrase(c.ctx, field, group.pairs, stems, raise(field))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// least is the evidence from which on a photo counts as showing a word.
func (c *compiler) least(v *vocabulary, word int, without bool) byte {
	switch {
	case without:
		return v.sure[word]
	case c.possible:
		return v.possible[word]
	default:
		return v.likely[word]
	}
}

// isKind is the evidence of a word that no model looks for, where the picture
// likely shows what it names: 1 nat less than where it is written.
const isKind = saidByPerson - nat

// saidIn is the evidence of a word that no model looks for, or of a phrase,
// where a field holds it.
var saidIn = map[string]byte{
	fieldCaption: saidByPerson - saidByModel,
	fieldOthers:  saidByPerson - 2*saidByModel,
	fieldWritten: saidByPerson,
	fieldNames:   saidByPerson,
}

// saidByPerson is the evidence of a word that no model looks for, where a
// person wrote it.
const saidByPerson = 255

// column is the evidence for a word in a block, of which least counts.
type column struct {
	evidence []byte
	least    byte
	kind     byte // the evidence of a kind of thing that is seen (isKind); 0: none
}

// looker finds photos by the best of some columns of each block.
type looker struct{ blocks [][]column }

func (m *looker) narrow(b *columns.Block, found *columns.Bits) {
	var enough columns.Bits
	if !found.IsEmpty() {
		for _, c := range m.blocks[b.Number] {
			enough.OrAtLeast(c.evidence, c.least, found)
		}
	}
	found.And(&enough)
}

// score takes the first column whatever it says, because what speaks against a
// word counts too, and the others where they speak for it.
func (m *looker) score(b *columns.Block, of *columns.Bits, into []int32) {
	all := m.blocks[b.Number]
	if len(all) == 0 {
		return
	}
	first, others := all[0].evidence, all[1:]
	of.Each(func(place int) {
		best := first[place]
		for _, c := range others {
			if e := c.evidence[place]; e >= c.least {
				best = max(best, e)
			}
		}
		if best > 0 {
			into[place] += int32(best) - neutral
		}
	})
}

// said is a column that is made for a query from the index of texts.
type said struct {
	evidence [][]byte     // by block; nil: nothing is said yet
	weights  []*[256]byte // by block: what evidence becomes; nil: it stays
	memory   *memory
}

// noEvidence are the weights of a block that is not asked.
var noEvidence = new([256]byte)

func (c *compiler) newSaid() *said {
	blocks := len(c.view.Blocks)
	return &said{make([][]byte, blocks), make([]*[256]byte, blocks), c.memory}
}

// raise makes e the least evidence of photos. A slot that the view does not hold
// yet is left out.
func (s *said) raise(slots []columns.Slot, e byte) {
	last := -1 // neighbours are mostly of one block
	var evidence []byte
	var least byte
	for _, slot := range slots {
		block, place := int(slot)/columns.BlockSize, int(slot)%columns.BlockSize
		if block != last {
			last = block
			evidence, least = s.block(block, e)
		}
		if least > 0 && evidence[place] < least {
			evidence[place] = least
		}
	}
}

// block returns the evidence of a block and what e means there; 0: nothing.
func (s *said) block(n int, e byte) (evidence []byte, least byte) {
	if n >= len(s.evidence) {
		return nil, 0
	}
	if weights := s.weights[n]; weights != nil {
		e = weights[e]
	}
	if e > 0 && s.evidence[n] == nil {
		s.evidence[n] = s.memory.take()
	}
	return s.evidence[n], e
}

func (s *said) narrow(b *columns.Block, found *columns.Bits) {
	var there columns.Bits
	there.OrAtLeast(s.evidence[b.Number], 1, found)
	found.And(&there)
}

func (*said) score(*columns.Block, *columns.Bits, []int32) {}
