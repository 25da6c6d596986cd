package search

import (
	"context"
	"fmt"
	"time"

	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	blevequery "github.com/blevesearch/bleve/v2/search/query"
	"github.com/blevesearch/bleve/v2/search/searcher"
	index "github.com/blevesearch/bleve_index_api"

	"shoebox/search/query"
)

// match is a query in the index's terms. It is a Bleve query of its own,
// because Bleve's boolean query drops a required part that no photo matches
// when something is left out beside it, and lets filters change the ranking.
type match struct {
	words   []blevequery.Query // all must match, and rank
	filters []blevequery.Query // all must match
	without []blevequery.Query // none may match
	// marks are runs of stems to mark in captions.
	marks [][]string
}

// compile gives a query its meaning. Stop words among the words are not
// required, because captions choose theirs freely ("on the snow"), unless
// there is nothing else to look for in captions.
func (l *language) compile(n query.Node) (*match, error) {
	nodes := []query.Node{n}
	if and, ok := n.(query.And); ok {
		nodes = and.Nodes
	}
	onlyStopWords := true
	for _, n := range nodes {
		switch n := n.(type) {
		case query.Phrase:
			onlyStopWords = false
		case query.Word:
			onlyStopWords = onlyStopWords && l.isStopWord(n.Text)
		}
	}
	m := &match{}
	for _, n := range nodes {
		if word, ok := n.(query.Word); ok && !onlyStopWords && l.isStopWord(word.Text) {
			continue
		}
		if err := l.add(m, n); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (l *language) add(m *match, n query.Node) error {
	not, without := n.(query.Not)
	if without {
		n = not.Node
	}
	q, stems, err := l.leaf(n)
	switch {
	case err != nil:
		return err
	case without:
		m.without = append(m.without, q)
	case stems == nil:
		m.filters = append(m.filters, q)
	default:
		m.words = append(m.words, q)
		m.marks = append(m.marks, stems)
	}
	return nil
}

// leaf compiles a node without parts; stems are those it finds in captions.
func (l *language) leaf(n query.Node) (q blevequery.Query, stems []string, err error) {
	switch n := n.(type) {
	case query.Word:
		stems = terms(l.caption, n.Text)
		q, err = consecutive(fieldCaption, stems, n)
	case query.Phrase:
		stems = terms(l.caption, n.Text)
		q, err = consecutive(fieldCaption, stems, n)
	case query.Camera:
		q, err = consecutive(fieldCamera, terms(l.camera, n.Text), n)
	case query.Taken:
		q = taken(n)
	default:
		err = fmt.Errorf("search cannot look for %s", n)
	}
	return q, stems, err
}

// consecutive matches terms that stand beside each other.
func consecutive(field string, terms []string, n query.Node) (blevequery.Query, error) {
	switch len(terms) {
	case 0:
		return nil, fmt.Errorf("%s holds nothing that can be searched for", n)
	case 1:
		return term(field, terms[0]), nil
	default:
		return blevequery.NewPhraseQuery(terms, field), nil
	}
}

func term(field, text string) blevequery.Query {
	q := blevequery.NewTermQuery(text)
	q.SetField(field)
	return q
}

// taken matches a span of days by whole years, months and days, so that any
// span takes fewer than a hundred terms.
func taken(span query.Taken) blevequery.Query {
	var parts []blevequery.Query
	day, last := span.From.First(), span.To.Last()
	if span.From.IsZero() {
		day = time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	if span.To.IsZero() {
		last = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
	}
	for !day.After(last) {
		switch {
		case day.YearDay() == 1 && !day.AddDate(1, 0, -1).After(last):
			years := last.AddDate(0, 0, 1).Year() - day.Year()
			parts = append(parts, yearsFrom(day.Year(), years))
			day = day.AddDate(years, 0, 0)
		case day.Day() == 1 && !day.AddDate(0, 1, -1).After(last):
			parts = append(parts, term(fieldMonth, day.Format("2006-01")))
			day = day.AddDate(0, 1, 0)
		default:
			parts = append(parts, term(fieldDay, day.Format("2006-01-02")))
			day = day.AddDate(0, 0, 1)
		}
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return blevequery.NewDisjunctionQuery(parts)
}

func yearsFrom(first, count int) blevequery.Query {
	format := func(year int) string { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Format("2006") }
	if count == 1 {
		return term(fieldYear, format(first))
	}
	inclusive := true
	q := blevequery.NewTermRangeInclusiveQuery(format(first), format(first+count-1), &inclusive, &inclusive)
	q.SetField(fieldYear)
	return q
}

// Searcher implements Bleve's Query.
func (m *match) Searcher(ctx context.Context, r index.IndexReader, im mapping.IndexMapping, ranked search.SearcherOptions) (search.Searcher, error) {
	unranked := ranked
	unranked.Score = "none"
	var open []search.Searcher
	openAll := func(queries []blevequery.Query, options search.SearcherOptions) ([]search.Searcher, error) {
		from := len(open)
		for _, q := range queries {
			s, err := q.Searcher(ctx, r, im, options)
			if err != nil {
				return nil, err
			}
			open = append(open, s)
		}
		return open[from:len(open):len(open)], nil
	}
	result, err := func() (search.Searcher, error) {
		without, err := openAll(m.without, unranked)
		if err != nil {
			return nil, err
		}
		words, err := openAll(m.words, ranked)
		if err != nil {
			return nil, err
		}
		filters, err := openAll(m.filters, unranked)
		if err != nil {
			return nil, err
		}
		return combine(ctx, r, append(words, filters...), without, ranked, unranked)
	}()
	if err != nil {
		for _, s := range open {
			_ = s.Close()
		}
	}
	return result, err
}

func combine(ctx context.Context, r index.IndexReader, required, without []search.Searcher, ranked, unranked search.SearcherOptions) (search.Searcher, error) {
	var all search.Searcher
	var err error
	switch len(required) {
	case 0:
		all, err = searcher.NewMatchAllSearcher(ctx, r, 1, unranked)
	case 1:
		all = required[0]
	default:
		all, err = searcher.NewConjunctionSearcher(ctx, r, required, ranked)
	}
	if err != nil || len(without) == 0 {
		return all, err
	}
	none, err := searcher.NewDisjunctionSearcher(ctx, r, without, 0, unranked)
	if err != nil {
		return nil, err
	}
	return searcher.NewBooleanSearcher(ctx, r, all, nil, none, ranked)
}

// find marks the runs of stems in a caption. Overlapping marks become one.
func (m *match) find(l *language, caption string) []Span {
	tokens := l.caption.Analyze([]byte(caption))
	var spans []Span
	for i := range tokens {
		for _, stems := range m.marks {
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
