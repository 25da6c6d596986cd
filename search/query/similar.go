package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Similar is the query for photos that a text describes: any of its distinct
// words, in small letters, its punctuation ignored. A hyphen parts words, an
// apostrophe between letters does not. The error is an *Error, for a text
// without words or with more than a query may hold.
func Similar(text string) (Query, error) {
	if !utf8.ValidString(text) {
		return Query{}, (&parser{text: text}).invalidUTF8()
	}
	var words []Node
	seen := map[string]bool{}
	p := &parser{text: text}
	for p.run(isSearchable); p.pos < len(p.text); p.run(isSearchable) {
		start := p.pos
		word := strings.ToLower(p.proseWord())
		if seen[word] {
			continue
		}
		seen[word] = true
		words = append(words, Word{word})
		if len(words) > maxTerms {
			return Query{}, p.errorAt(start, "the text has more than %d different words", maxTerms)
		}
	}
	if len(words) == 0 {
		return Query{}, p.errorAt(0, "the text has no words to search for")
	}
	return Query{Root: anyOf(words)}, nil
}

// proseWord reads a word that begins at pos with a letter or digit.
func (p *parser) proseWord() string {
	start := p.pos
	for {
		p.run(func(r rune) bool { return !isSearchable(r) && !unicode.IsMark(r) })
		if p.pos == len(p.text) || !strings.ContainsRune("'’", p.peek()) {
			return p.text[start:p.pos]
		}
		behind := p.pos + utf8.RuneLen(p.peek())
		next, _ := utf8.DecodeRuneInString(p.text[behind:])
		if !isSearchable(next) {
			return p.text[start:p.pos]
		}
		p.pos = behind
	}
}
