package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"

	"shoebox/search"
	"shoebox/search/query"
)

// limit is how many photos each query asks for.
const limit = 50

// kind is a kind of query.
type kind struct {
	name string
	goal time.Duration // for the 99th percentile; 0: none is set
	// make draws a query; what it cannot draw is drawn again.
	make func(*draw) (question, bool)
}

// question is a query, for us and for Postgres.
type question struct {
	text    string // in our language; of a similar one the description
	request search.Request
	sql     *statement // nil: it is asked of us only
}

// draw draws queries from captions: what people say often is asked often.
type draw struct {
	random   *rand.Rand
	library  *library
	stop     analysis.TokenMap
	known    map[string]bool // forms of picture words
	pairs    []string        // of words beside each other, the commonest first
	pairNext int
}

func newDraw(l *library) (*draw, error) {
	d := &draw{random: rand.New(rand.NewPCG(seed, 2)), library: l, stop: analysis.NewTokenMap(), known: make(map[string]bool)}
	if err := d.stop.LoadBytes(en.EnglishStopWords); err != nil {
		return nil, err
	}
	for _, word := range l.vocabulary.Words {
		for _, form := range word.Forms {
			d.known[form] = true
		}
	}
	counts := make(map[string]int)
	for _, caption := range l.captions {
		words := strings.Fields(strings.ToLower(caption))
		for i := 1; i < len(words); i++ {
			if isPlain(words[i-1]) && isPlain(words[i]) {
				counts[words[i-1]+" "+words[i]]++
			}
		}
	}
	for pair := range counts {
		d.pairs = append(d.pairs, pair)
	}
	slices.SortFunc(d.pairs, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	return d, nil
}

// isPlain reports whether a word has nothing but letters.
func isPlain(word string) bool {
	return !strings.ContainsFunc(word, func(r rune) bool { return r < 'a' || r > 'z' })
}

// kinds are what is measured, in the order of the table.
var kinds = []kind{
	{"word", 10 * time.Millisecond, func(d *draw) (question, bool) {
		return ask(d.words(1), match)
	}},
	{"3 words", 10 * time.Millisecond, func(d *draw) (question, bool) {
		return ask(d.words(3), match)
	}},
	{"word + date range", 10 * time.Millisecond, func(d *draw) (question, bool) {
		from := time.Date(firstYear+d.random.IntN(years-1), time.Month(1+d.random.IntN(12)), 1, 0, 0, 0, 0, time.UTC)
		to := from.AddDate(0, 11, 0)
		q, ok := ask(d.words(1), match)
		q.text += " taken:" + from.Format("2006-01") + ".." + to.Format("2006-01")
		q.sql.between(from, to.AddDate(0, 1, 0))
		return q, ok
	}},
	{"word + camera", 10 * time.Millisecond, func(d *draw) (question, bool) {
		q, ok := ask(d.words(1), match)
		return ours(q.text+" camera:"+pick(d.random, []string{"canon", "nikon", "apple", "sony", "fujifilm"}), ok)
	}},
	{"word, not another", 10 * time.Millisecond, func(d *draw) (question, bool) {
		words := d.words(2)
		if len(words) < 2 {
			return question{}, false
		}
		return ours(words[0]+" -"+words[1], true)
	}},
	{"phrase of 2", 40 * time.Millisecond, func(d *draw) (question, bool) {
		return askPhrase(d.run(2))
	}},
	{"phrase of 4", 40 * time.Millisecond, func(d *draw) (question, bool) {
		return askPhrase(d.run(4))
	}},
	{"commonest pairs", 40 * time.Millisecond, func(d *draw) (question, bool) {
		d.pairNext++
		return askPhrase(strings.Fields(d.pairs[d.pairNext-1]))
	}},
	{"prefix", 40 * time.Millisecond, func(d *draw) (question, bool) {
		word := d.words(1)
		if len(word) == 0 || len(word[0]) < 5 {
			return question{}, false
		}
		from := word[0][:3+d.random.IntN(2)]
		return question{text: from + "*", sql: match(from)}.prefix(), true
	}},
	{"fuzzy", 0, func(d *draw) (question, bool) {
		word := d.words(1)
		if len(word) == 0 || len(word[0]) < 5 {
			return question{}, false
		}
		at := 1 + d.random.IntN(len(word[0])-1)
		return ours(word[0][:at]+word[0][at+1:]+"~", true)
	}},
	{"word + radius", 40 * time.Millisecond, func(d *draw) (question, bool) {
		at, km := pick(d.random, d.library.places), 5+d.random.IntN(100)
		q, ok := ask(d.words(1), match)
		q.text += fmt.Sprintf(" near:%.4f,%.4f,%dkm", at.lat, at.lon, km)
		q.sql.around(at, float64(km))
		return q, ok
	}},
	{"word by date", 0, func(d *draw) (question, bool) {
		q, ok := ask(d.words(1), match)
		q.text += " sort:date"
		q.sql.byDate()
		return q, ok
	}},
	{"word with facets", 0, func(d *draw) (question, bool) {
		q, ok := ask(d.words(1), match)
		q.request.Facets, q.sql = true, nil
		return q, ok
	}},
	{"word that no picture word is", 10 * time.Millisecond, func(d *draw) (question, bool) {
		words := d.words(1)
		return ours(strings.Join(words, ""), len(words) == 1 && !d.known[words[0]])
	}},
	{"word of texts only", 10 * time.Millisecond, func(d *draw) (question, bool) {
		q, ok := ask(d.words(1), match)
		q.request.TextOnly = true
		return q, ok
	}},
	{"3 words of texts only", 10 * time.Millisecond, func(d *draw) (question, bool) {
		q, ok := ask(d.words(3), match)
		q.request.TextOnly = true
		return q, ok
	}},
	{"misspelled word", 0, func(d *draw) (question, bool) {
		word := d.words(1)
		if len(word) == 0 || len(word[0]) < 5 {
			return question{}, false
		}
		at := 1 + d.random.IntN(len(word[0])-1)
		return ours(word[0][:at]+"q"+word[0][at:], true)
	}},
	{"similar, 10 words", 0, func(d *draw) (question, bool) {
		words := d.run(10)
		q, ok := ours(strings.Join(words, " "), len(words) == 10)
		q.request.Similar = true
		return q, ok
	}},
}

// ask asks for all of some words.
func ask(words []string, sql func(string) *statement) (question, bool) {
	text := strings.Join(words, " ")
	return question{text: text, sql: sql(text)}, text != ""
}

func askPhrase(words []string) (question, bool) {
	q, ok := ask(words, phrase)
	q.text = `"` + q.text + `"`
	return q, ok
}

// ours asks what Postgres has no like of.
func ours(text string, ok bool) (question, bool) { return question{text: text}, ok }

// words are n words beside each other in a caption when the common words of
// grammar are left out; none: this caption has not enough.
func (d *draw) words(n int) []string {
	words := slices.DeleteFunc(wordsOf(d.caption()), func(w string) bool { return len(w) < 3 || d.stop[w] })
	return d.beside(words, n)
}

// run is n words beside each other in a caption, common ones too.
func (d *draw) run(n int) []string {
	words := strings.Fields(strings.TrimRight(strings.ToLower(d.caption()), " ."))
	run := d.beside(words, n)
	if slices.ContainsFunc(run, func(w string) bool { return !isPlain(w) }) {
		return nil
	}
	return run
}

func (d *draw) caption() string { return d.library.captions[d.random.IntN(len(d.library.captions))] }

func (d *draw) beside(words []string, n int) []string {
	if len(words) < n {
		return nil
	}
	from := d.random.IntN(len(words) - n + 1)
	return words[from : from+n]
}

// questions draws up to n different queries of a kind.
func (d *draw) questions(k kind, n int) ([]question, error) {
	var all []question
	drawn := make(map[string]bool)
	for tries := 0; len(all) < n && tries < 100*n && d.pairNext < len(d.pairs); tries++ {
		q, ok := k.make(d)
		if !ok || drawn[q.text] {
			continue
		}
		drawn[q.text] = true
		parse := query.Parse
		if q.request.Similar {
			parse = query.Similar
		}
		parsed, err := parse(q.text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.text, err)
		}
		q.request.Query, q.request.Limit = parsed, limit
		all = append(all, q)
	}
	return all, nil
}
