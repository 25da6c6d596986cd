package search

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/custom"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/analysis/token/lowercase"
	"github.com/blevesearch/bleve/v2/analysis/token/porter"
	"github.com/blevesearch/bleve/v2/analysis/token/unicodenorm"
	"github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
	"github.com/blevesearch/bleve/v2/mapping"
)

// schemaVersion counts changes of documents that the fingerprint of the
// analysis does not show. Raising it makes every index be built again.
const schemaVersion = 1

// The fields of a document.
const (
	fieldCaption = "caption" // stems with positions, stop words too, for phrases
	fieldCamera  = "camera"  // lower-case words with positions
	fieldYear    = "year"    // "2019", by the camera's clock
	fieldMonth   = "month"   // "2019-05"
	fieldDay     = "day"     // "2019-05-12"
	fieldHit     = "hit"     // the Hit as JSON; stored, not searched
)

// language turns texts into the terms of the index, the same way for
// documents and for queries.
type language struct {
	mapping  *mapping.IndexMappingImpl
	caption  analysis.Analyzer
	camera   analysis.Analyzer
	keyword  analysis.Analyzer
	stopWord analysis.TokenMap
}

func newLanguage() (*language, error) {
	const normalize, name = "shoebox_nfkc", "shoebox_name"
	m := mapping.NewIndexMapping()
	if err := m.AddCustomTokenFilter(normalize, map[string]any{"type": unicodenorm.Name, "form": unicodenorm.NFKC}); err != nil {
		return nil, err
	}
	analyzers := map[string][]string{
		// The filters of Bleve's "en" but for its stop words: phrases need them.
		fieldCaption: {normalize, en.PossessiveName, lowercase.Name, porter.Name},
		name:         {normalize, lowercase.Name},
	}
	for name, filters := range analyzers {
		err := m.AddCustomAnalyzer(name, map[string]any{"type": custom.Name, "tokenizer": unicode.Name, "token_filters": filters})
		if err != nil {
			return nil, err
		}
	}
	l := &language{
		mapping:  m,
		caption:  m.AnalyzerNamed(fieldCaption),
		camera:   m.AnalyzerNamed(name),
		keyword:  m.AnalyzerNamed(keyword.Name),
		stopWord: analysis.NewTokenMap(),
	}
	if err := l.stopWord.LoadBytes(en.EnglishStopWords); err != nil {
		return nil, err
	}
	// A query that says "not" or "don't" and loses it would mean the opposite.
	for word := range l.stopWord {
		if word == "no" || word == "nor" || word == "not" || word == "cannot" || strings.HasSuffix(word, "n't") {
			delete(l.stopWord, word)
		}
	}
	return l, nil
}

// isStopWord reports whether a caption has to hold the word to be found by it.
func (l *language) isStopWord(word string) bool {
	return l.stopWord[strings.ReplaceAll(strings.ToLower(word), "’", "'")]
}

// terms is a text as the index holds it.
func terms(a analysis.Analyzer, text string) []string {
	var found []string
	for _, token := range a.Analyze([]byte(text)) {
		found = append(found, string(token.Term))
	}
	return found
}

// fingerprint names the form of the index: its version, its analysers, and
// what they make of a sentence, which a new release of Bleve may change.
func (l *language) fingerprint() (string, error) {
	settings, err := json.Marshal(l.mapping)
	if err != nil {
		return "", err
	}
	const sample = "Two dogs' owners, running: the T-shirt’s café ＡＢＣ don't 3.5 happily generalizations 犬 EOS-40D"
	sum := sha256.Sum256(fmt.Appendf(settings, "%q %q", terms(l.caption, sample), terms(l.camera, sample)))
	return fmt.Sprintf("%d-%x", schemaVersion, sum[:8]), nil
}
