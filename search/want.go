package search

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/blevesearch/vellum"
	"github.com/blevesearch/vellum/levenshtein"

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
const mostWords = 25

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
	if len(r.stems) == 0 {
		return
	}
	r.setSeen(word)
	w.runs = append(w.runs, r)
}

// setSeen finds the stem by which pictures are asked for a word, if any.
func (r *run) setSeen(word string) {
	switch {
	case len(r.stems) == 1:
		r.seen = r.stems[0]
	case hyphenated.MatchString(word):
		r.seen = stemOfWhole(word)
	}
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
func (c *compiler) wantTerms(w *wanted, prefix string, accepted vellum.Automaton) error {
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
func (c *compiler) known(prefix string, accepted vellum.Automaton) ([]string, error) {
	counts := make(map[string]uint64)
	count := func(word string) error {
		if _, again := counts[word]; again {
			return nil
		}
		n, err := c.postings.count(fieldPlain, word)
		counts[word] = n
		return cmp.Or(err, c.ctx.Err())
	}
	if err := c.postings.terms(fieldPlain, prefix, accepted, count); err != nil {
		return nil, err
	}
	slots := make(map[string]int)
	for _, b := range c.view.Blocks {
		slots[b.Model] += b.Slots
	}
	for model, n := range slots {
		v, err := c.g.vocabulary(model)
		if err != nil {
			return nil, err
		}
		for _, word := range v.Words {
			// Of a word that is only seen, about so many show it.
			shown := uint64(word.Prior * float64(n))
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

func accepts(a vellum.Automaton, word string) bool {
	if a == nil {
		return true
	}
	state := a.Start()
	for _, b := range []byte(word) {
		state = a.Accept(state, b)
	}
	return a.IsMatch(state)
}
