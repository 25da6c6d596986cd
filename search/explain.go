package search

import (
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"

	"shoebox/search/columns"
)

const fileOrFolder = "file or folder"

// explain says why a photo was found: where each thing that was looked for is
// said or, where it is not, what the picture looks like. It marks what the
// caption says.
func (c *compiler) explain(hit *Hit, slot columns.Slot) {
	block, place := c.view.At(slot)
	if block == nil {
		return
	}
	l := c.g.language
	caption := l.stem.Analyze([]byte(hit.Caption))
	sources := []source{
		{name: "caption", stems: [][]string{stemsOf(caption)}},
		{name: "title, description, keywords or people", texts: slices.Concat([]string{hit.Title, hit.Description}, hit.Keywords, hit.People)},
		{name: fileOrFolder, texts: hit.Paths, prepare: spaced},
		{name: "another caption", texts: hit.Others},
	}
	var why, looksLike []string
	for _, w := range c.plan.words {
		said := false
		for i := range sources {
			if sources[i].name == fileOrFolder && !c.written(w, block, place) {
				continue
			}
			if said = sources[i].says(l, w); said {
				if !slices.Contains(why, sources[i].name) {
					why = append(why, sources[i].name)
				}
				break
			}
		}
		if word := c.shown(w, block, place); !said && word != "" {
			looksLike = append(looksLike, word)
		}
	}
	if len(looksLike) > 0 {
		why = append(why, "looks like: "+strings.Join(looksLike, ", "))
	}
	hit.Why = why
	hit.Marks = c.plan.find(caption)
}

// source is texts of a photo that may say what is wanted.
type source struct {
	name    string
	texts   []string
	prepare func(string) string
	stems   [][]string // of texts, once they have been asked for
}

// says reports whether any of the texts says what is wanted.
func (s *source) says(l *language, w *wanted) bool {
	for i := len(s.stems); i < len(s.texts); i++ {
		text := s.texts[i]
		if s.prepare != nil {
			text = s.prepare(text)
		}
		s.stems = append(s.stems, terms(l.stem, text))
	}
	for _, stems := range s.stems {
		for _, run := range w.runs {
			if holds(stems, run.stems, false) {
				return true
			}
		}
	}
	return false
}

// written reports whether a person may have written what is wanted. The paths
// of a Hit do not tell: the folders above the one that was asked for, such as
// /home, are no words about a photo.
func (c *compiler) written(w *wanted, b *columns.Block, place int) bool {
	v, err := c.g.vocabulary(b.Model)
	if err != nil {
		return true
	}
	for _, r := range w.runs {
		i, known := v.places[r.seen]
		if known && b.Word(i)[place] == v.person[i] || !known && r.kind != synonym {
			return true
		}
	}
	return false
}

// shown is the word for what a picture looks like that a photo is found by;
// empty: it is not found by its looks.
func (c *compiler) shown(w *wanted, b *columns.Block, place int) string {
	v, err := c.g.vocabulary(b.Model)
	if err != nil || c.textOnly {
		return ""
	}
	best := v.mostShown(w, b, place)
	switch {
	case best < 0 && w.isKind(b, place):
		return w.text
	case best < 0:
		return ""
	case w.own() == v.Words[best].Stem:
		return w.text
	default:
		return v.Words[best].Forms[0]
	}
}

// mostShown is the picture word of what is wanted that a picture shows most;
// -1: none. A synonym stands in only where the model does not know the word.
func (v *vocabulary) mostShown(w *wanted, b *columns.Block, place int) int {
	best, most := -1, byte(0)
	_, knowsIt := v.places[w.own()]
	for _, r := range w.runs {
		i, known := v.places[r.seen]
		if known && (r.kind != synonym || !knowsIt) && b.Word(i)[place] >= max(v.possible[i], most) {
			best, most = i, b.Word(i)[place]
		}
	}
	return best
}

// isKind reports whether a photo is found by the kind of thing that it shows.
func (w *wanted) isKind(b *columns.Block, place int) bool {
	for _, c := range w.found.blocks[b.Number] {
		if c.kind != 0 && c.evidence[place] == c.kind {
			return true
		}
	}
	return false
}

// find marks what is wanted in an analysed caption. Overlapping marks become one.
func (plan *plan) find(tokens analysis.TokenStream) []Span {
	var spans []Span
	for i := range tokens {
		for _, w := range plan.words {
			for _, r := range w.runs {
				stems := r.stems
				if i+len(stems) > len(tokens) {
					continue
				}
				run := tokens[i : i+len(stems)]
				for j, stem := range stems {
					if string(run[j].Term) != stem {
						run = nil
						break
					}
				}
				if run != nil {
					spans = merge(spans, Span{run[0].Start, run[len(run)-1].End})
				}
			}
		}
	}
	return spans
}

// merge adds a span that does not begin before the last one.
func merge(spans []Span, next Span) []Span {
	if n := len(spans); n > 0 && next.Start < spans[n-1].End {
		spans[n-1].End = max(spans[n-1].End, next.End)
		return spans
	}
	return append(spans, next)
}
