package search

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/custom"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	keywordmarker "github.com/blevesearch/bleve/v2/analysis/token/keyword"
	"github.com/blevesearch/bleve/v2/analysis/token/lowercase"
	"github.com/blevesearch/bleve/v2/analysis/token/porter"
	"github.com/blevesearch/bleve/v2/analysis/token/shingle"
	"github.com/blevesearch/bleve/v2/analysis/token/unicodenorm"
	"github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
	"github.com/blevesearch/bleve/v2/analysis/tokenmap"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/go-porterstemmer"
)

// schemaVersion counts changes of documents and columns that the fingerprint
// does not show. Raising it makes every index be built again.
const schemaVersion = 3

// The fields of a document. What is not text lies in the columns.
const (
	fieldCaption = "caption" // stems with positions, stop words too, for phrases
	fieldOthers  = "others"  // the beam's other captions, likewise
	fieldWritten = "written" // title, description, keywords and people, likewise
	fieldNames   = "names"   // of the file and its folders below the root, likewise
	// Two stems beside each other in a caption, or in what people wrote: most
	// phrases are found by them without a look at the positions.
	fieldCaptionPairs = "caption pairs"
	fieldWrittenPairs = "written pairs"

	fieldKinds  = "kinds"  // stems of what the picture likely shows by its classes
	fieldPlain  = "plain"  // the words of all of these, unstemmed
	fieldName   = "name"   // file names, whole and in words, in lower case
	fieldFolder = "folder" // words of the folders but the first, with positions
	fieldShot   = "shot"   // of a raw file (columns.Shot)
	fieldSlot   = "slot"   // where in the columns (appendSlot)
	fieldHit    = "hit"    // the Hit as JSON; stored, not searched
	fieldPlace  = "place"  // the slot and a checksum of its record; stored
)

// textGroup is fields where free words are looked for, and of their pairs.
type textGroup struct {
	fields []string
	pairs  string
}

var textGroups = []textGroup{
	{[]string{fieldCaption, fieldOthers}, fieldCaptionPairs},
	{[]string{fieldWritten, fieldNames}, fieldWrittenPairs},
}

// likeStopWords are words that the stemmer would make stop words of, "on" and
// "at".
var likeStopWords = []any{"one", "ones", "ate"}

// pairSeparator stands between the stems of a pair.
const pairSeparator = " "

// language turns texts into the terms of the index, the same way for
// documents and for queries.
type language struct {
	mapping  *mapping.IndexMappingImpl
	stem     analysis.Analyzer // of free words
	pairs    analysis.Analyzer // of two of them
	plain    analysis.Analyzer // of names
	keyword  analysis.Analyzer
	stopWord analysis.TokenMap
}

func newLanguage() (*language, error) {
	const normalize, stem, pairs, plain = "shoebox_nfkc", "shoebox_stem", "shoebox_pairs", "shoebox_plain"
	const unstemmed = "shoebox_unstemmed"
	m := mapping.NewIndexMapping()
	if err := m.AddCustomTokenFilter(normalize, map[string]any{"type": unicodenorm.Name, "form": unicodenorm.NFKC}); err != nil {
		return nil, err
	}
	err := m.AddCustomTokenFilter(pairs, map[string]any{
		"type": shingle.Name, "min": 2.0, "max": 2.0, "output_original": false, "separator": pairSeparator, "filler": "",
	})
	if err != nil {
		return nil, err
	}
	if err := m.AddCustomTokenMap(unstemmed, map[string]any{"type": tokenmap.Name, "tokens": likeStopWords}); err != nil {
		return nil, err
	}
	err = m.AddCustomTokenFilter(unstemmed, map[string]any{"type": keywordmarker.Name, "keywords_token_map": unstemmed})
	if err != nil {
		return nil, err
	}
	analyzers := map[string][]string{
		// The filters of Bleve's "en" but for its stop words: phrases need them.
		stem:  {normalize, en.PossessiveName, lowercase.Name, unstemmed, porter.Name},
		pairs: {normalize, en.PossessiveName, lowercase.Name, unstemmed, porter.Name, pairs},
		plain: {normalize, en.PossessiveName, lowercase.Name},
	}
	for name, filters := range analyzers {
		err := m.AddCustomAnalyzer(name, map[string]any{"type": custom.Name, "tokenizer": unicode.Name, "token_filters": filters})
		if err != nil {
			return nil, err
		}
	}
	l := &language{
		mapping:  m,
		stem:     guarded{m.AnalyzerNamed(stem)},
		pairs:    guarded{m.AnalyzerNamed(pairs)},
		plain:    guarded{m.AnalyzerNamed(plain)},
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

// guarded is an analyser for texts that come from outside. One that panics at a
// text would end the process, again at each start: that text has no words then.
type guarded struct{ analysis.Analyzer }

// Analyze takes a text apart.
func (g guarded) Analyze(text []byte) (tokens analysis.TokenStream) {
	defer func() {
		if cause := recover(); cause != nil {
			slog.Error("a text is not searched, since it cannot be analysed: please report this", "text", text, "cause", cause)
			tokens = nil
		}
	}()
	return g.Analyzer.Analyze(text)
}

// isStopWord reports whether a caption has to hold the word to be found by it.
func (l *language) isStopWord(word string) bool {
	return l.stopWord[strings.ReplaceAll(strings.ToLower(word), "’", "'")]
}

// hyphenated are words that people write with a hyphen, in lower case.
var hyphenated = regexp.MustCompile(`[\pL\pN]+(?:-[\pL\pN]+)+`)

// stems are those of a text's words. A word with hyphens gives one for the
// whole, as picture words have it, beside those of its parts.
func (l *language) stems(text string) []string {
	found := terms(l.stem, text)
	for _, word := range hyphenated.FindAllString(strings.ToLower(text), -1) {
		found = append(found, stemOfWhole(word))
	}
	return found
}

// stemOfWhole is the stem of a word that the analyser would take apart.
func stemOfWhole(word string) string {
	return string(porterstemmer.StemWithoutLowerCasing([]rune(strings.ToLower(word))))
}

// terms is a text as the index holds it.
func terms(a analysis.Analyzer, text string) []string { return stemsOf(a.Analyze([]byte(text))) }

func stemsOf(tokens analysis.TokenStream) (found []string) {
	for _, token := range tokens {
		found = append(found, string(token.Term))
	}
	return found
}

// fingerprint names the form of the index: its version, its analysers, what
// they make of a sentence, which a new release of Bleve may change, and what
// evidence is made of.
func (l *language) fingerprint() (string, error) {
	settings, err := json.Marshal(l.mapping)
	if err != nil {
		return "", err
	}
	const sample = "Two dogs' owners, running: the T-shirt’s café ＡＢＣ don't 3.5 happily generalizations 犬 EOS-40D"
	figures := []float64{saidByModel, sure, likely, possible, kindShare, likelyKind}
	sum := sha256.Sum256(fmt.Appendf(settings, "%q %q %v %s", l.stems(sample), terms(l.plain, sample), figures, kindsFile))
	return fmt.Sprintf("%d-%x", schemaVersion, sum[:8]), nil
}
