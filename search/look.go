package search

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/blevesearch/vellum/levenshtein"

	"shoebox/search/columns"
	"shoebox/search/query"
)

// wanted is a word, or words beside each other, that a query looks for in
// texts and pictures.
type wanted struct {
	text string // as typed
	// runs are what it stands for: itself, its synonyms, the words that it is
	// the beginning of or spelled like. One of them is enough.
	runs  []run
	found *looker // what it is found by
}

// run is what a photo is found by where a text says it or its picture shows it.
type run struct {
	stems []string // beside each other in a text
	seen  string   // the stem by which pictures are asked; empty: they cannot be
	kind  runKind
}

type runKind int

const (
	itself  runKind = iota // the word or phrase of the query
	synonym                // of the word
	other                  // a word that the query's is the beginning of or spelled like
)

// own is the stem of a word that stands for itself; empty for everything else.
func (w *wanted) own() string {
	if len(w.runs) == 0 || w.runs[0].kind != itself {
		return ""
	}
	return w.runs[0].seen
}

// mostWords is how many words a beginning or a spelling may stand for; the
// commonest are taken.
const mostWords = 50

// want finds out what a part of a query stands for.
func (c *compiler) want(n query.Node) (*wanted, error) {
	l := c.g.language
	switch n := n.(type) {
	case query.Phrase:
		return asked(n, &wanted{text: n.Text, runs: []run{{stems: terms(l.stem, n.Text)}}})
	case query.Prefix:
		w := &wanted{text: n.Text + "*"}
		return w, c.wantTerms(w, l.asTerm(n.Text), nil)
	case query.Fuzzy:
		near, err := nearly(l.asTerm(n.Text))
		if err != nil {
			return nil, err
		}
		w := &wanted{text: n.Text + "~"}
		return w, c.wantTerms(w, "", near)
	default:
		word := n.(query.Word).Text
		w := &wanted{text: word}
		w.add(l, word, itself)
		for _, alike := range c.g.synonyms.of(w.runs) {
			w.add(l, alike, synonym)
		}
		return asked(n, w)
	}
}

// asked refuses what holds nothing but signs.
func asked(n query.Node, w *wanted) (*wanted, error) {
	if len(w.runs) == 0 || len(w.runs[0].stems) == 0 {
		return nil, &UseError{fmt.Sprintf("%s holds nothing that can be searched for", n)}
	}
	return w, nil
}

// add adds a word. One with hyphens is looked for in pictures as a whole and in
// texts as its parts beside each other.
func (w *wanted) add(l *language, word string, kind runKind) {
	r := run{stems: terms(l.stem, word), kind: kind}
	switch {
	case len(r.stems) == 0:
		return
	case len(r.stems) == 1:
		r.seen = r.stems[0]
	case hyphenated.MatchString(word):
		r.seen = stemOfWhole(word)
	}
	w.runs = append(w.runs, r)
}

// spellers build automata that accept words with up to 1 and 2 letters changed,
// left out, put in, or swapped with their neighbours. Making one takes
// milliseconds.
var spellers = [...]func() (*levenshtein.LevenshteinAutomatonBuilder, error){
	1: sync.OnceValues(func() (*levenshtein.LevenshteinAutomatonBuilder, error) {
		return levenshtein.NewLevenshteinAutomatonBuilder(1, true)
	}),
	2: sync.OnceValues(func() (*levenshtein.LevenshteinAutomatonBuilder, error) {
		return levenshtein.NewLevenshteinAutomatonBuilder(2, true)
	}),
}

// asTerm is a word, or its beginning, as fieldPlain holds it.
func (l *language) asTerm(text string) string {
	if one := terms(l.plain, text); len(one) == 1 {
		return one[0]
	}
	return strings.ToLower(text)
}

// longestSpelling is more letters than any word has. The automaton grows with
// them and has a limit.
const longestSpelling = 200

// nearly accepts words that differ in a letter, or in two from six letters on.
func nearly(word string) (*levenshtein.DFA, error) {
	letters, distance := utf8.RuneCountInString(word), uint8(1)
	if letters > longestSpelling {
		return nil, &UseError{fmt.Sprintf("a word of %d letters is too long to look for other spellings", letters)}
	}
	if letters > 5 {
		distance = 2
	}
	speller, err := spellers[distance]()
	if err != nil {
		return nil, err
	}
	return speller.BuildDfa(word, distance)
}

// wantTerms adds the words of the index that begin with a prefix and are
// accepted, and the picture words likewise.
func (c *compiler) wantTerms(w *wanted, prefix string, accepted *levenshtein.DFA) error {
	found, err := c.known(prefix, accepted)
	if err != nil {
		return err
	}
	for _, word := range found[:min(len(found), mostWords)] {
		w.add(c.g.language, word, other)
	}
	return nil
}

// known are the words of the index's texts and of its pictures that begin with
// a prefix and are accepted (nil: all), the commonest first.
func (c *compiler) known(prefix string, accepted *levenshtein.DFA) ([]string, error) {
	counts := make(map[string]uint64)
	count := func(word string) error {
		if _, again := counts[word]; again {
			return nil
		}
		n, err := c.postings.count(fieldPlain, word)
		counts[word] = n
		return err
	}
	var err error
	if accepted == nil {
		err = c.postings.terms(fieldPlain, prefix, nil, count)
	} else {
		err = c.postings.terms(fieldPlain, prefix, accepted, count)
	}
	if err != nil {
		return nil, err
	}
	for _, b := range c.view.Blocks {
		v, err := c.g.vocabulary(b.Model)
		if err != nil {
			return nil, err
		}
		for _, word := range v.Words {
			// Of a word that is only seen, about so many show it.
			shown := uint64(word.Prior * float64(b.Slots))
			for _, form := range word.Forms {
				if strings.HasPrefix(form, prefix) && accepts(accepted, form) {
					counts[form] = max(counts[form], shown)
				}
			}
		}
	}
	words := make([]string, 0, len(counts))
	for word := range counts {
		words = append(words, word)
	}
	slices.SortFunc(words, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	return words, nil
}

func accepts(dfa *levenshtein.DFA, word string) bool {
	if dfa == nil {
		return true
	}
	state := dfa.Start()
	for _, b := range []byte(word) {
		state = dfa.Accept(state, b)
	}
	return dfa.IsMatch(state)
}

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
		if place, known := v.places[r.seen]; known && !(knowsIt && r.kind == synonym) {
			found = append(found, column{b.Word(place), c.least(v, place, without)})
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
	said := newSaid(c.view)
	for _, group := range textGroups {
		if err := c.sayIn(group, r.stems, said); err != nil {
			return err
		}
	}
	if r.seen != "" && !c.textOnly && !without {
		err := c.postings.each(fieldKinds, r.seen, func(slot columns.Slot) { said.raise(slot, isKind) })
		if err != nil {
			return err
		}
	}
	for i, v := range known {
		if said.evidence[i] == nil || !unseen(v) {
			continue
		}
		// A word is as rare in a block whose model does not know it as another
		// model says.
		for _, judge := range append([]*vocabulary{v}, known...) {
			if own, knowsIt := judge.places[w.own()]; knowsIt {
				judge.weigh(said.evidence[i], own, r.kind)
				break
			}
		}
		w.found.blocks[i] = append(w.found.blocks[i], column{said.evidence[i], 1})
	}
	return nil
}

// weigh turns evidence of texts (saidIn) into that of a picture word. What a
// model says in place of the word is enough to be found and no more.
func (v *vocabulary) weigh(evidence []byte, word int, kind runKind) {
	byModel := v.likely[word]
	if kind == itself {
		byModel = min(v.sure[word]+saidByModel, v.person[word]-1)
	}
	for place, e := range evidence {
		switch {
		case e == saidByPerson:
			evidence[place] = v.person[word]
		case e > isKind:
			evidence[place] = byModel
		}
	}
}

// sayIn adds where a group of fields holds stems beside each other.
func (c *compiler) sayIn(group textGroup, stems []string, said *said) error {
	raise := func(field string) func(columns.Slot) {
		return func(slot columns.Slot) { said.raise(slot, saidIn[field]) }
	}
	if len(stems) == 2 {
		return c.postings.each(group.pairs, stems[0]+pairSeparator+stems[1], raise(group.fields[0]))
	}
	for _, field := range group.fields {
		if len(stems) == 1 {
			if err := c.postings.each(field, stems[0], raise(field)); err != nil {
				return err
			}
			continue
		}
		candidates, err := c.postings.holdingPairs(group.pairs, stems)
		if err == nil {
			err = c.postings.phrase(c.ctx, c.g.language.mapping, field, stems, candidates, raise(field))
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
}

// looker finds photos by the best of some columns of each block.
type looker struct{ blocks [][]column }

func (m *looker) narrow(b *columns.Block, found *columns.Bits) {
	var enough columns.Bits
	if !found.IsEmpty() {
		for _, c := range m.blocks[b.Number] {
			enough.OrAtLeast(c.evidence, c.least)
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
type said struct{ evidence [][]byte }

func newSaid(view *columns.View) *said { return &said{make([][]byte, len(view.Blocks))} }

// raise makes e the least evidence of a photo. A slot that the view does not
// hold yet is left out.
func (s *said) raise(slot columns.Slot, e byte) {
	block, place := int(slot)/columns.BlockSize, int(slot)%columns.BlockSize
	if block >= len(s.evidence) {
		return
	}
	if s.evidence[block] == nil {
		s.evidence[block] = make([]byte, columns.BlockSize)
	}
	s.evidence[block][place] = max(s.evidence[block][place], e)
}

func (s *said) narrow(b *columns.Block, found *columns.Bits) {
	var there columns.Bits
	if s.evidence[b.Number] != nil {
		there.OrAtLeast(s.evidence[b.Number], 1)
	}
	found.And(&there)
}

func (*said) score(*columns.Block, *columns.Bits, []int32) {}
