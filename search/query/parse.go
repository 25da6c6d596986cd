package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// later are the fields of the whole language that this version lacks.
var later = map[string]bool{
	"lens": true, "folder": true, "name": true, "near": true,
	"iso": true, "has": true, "by": true, "sort": true,
}

// Parse reads a query. Its error is an *Error.
func Parse(text string) (Node, error) {
	p := &parser{text: text}
	if !utf8.ValidString(text) {
		return nil, p.invalidUTF8()
	}
	var nodes []Node
	for p.skipSpace(); p.pos < len(p.text); p.skipSpace() {
		n, err := p.clause()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	switch len(nodes) {
	case 0:
		return nil, p.errorAt(0, "the query is empty: nothing to search for")
	case 1:
		return nodes[0], nil
	default:
		return And{nodes}, nil
	}
}

// parser reads text from pos on, which counts bytes.
type parser struct {
	text string
	pos  int
}

func (p *parser) errorAt(pos int, format string, args ...any) *Error {
	return &Error{
		Query: p.text,
		At:    utf8.RuneCountInString(p.text[:pos]) + 1,
		Msg:   fmt.Sprintf(format, args...),
	}
}

func (p *parser) invalidUTF8() *Error {
	pos := strings.IndexFunc(p.text, func(r rune) bool { return r == utf8.RuneError })
	for {
		if _, size := utf8.DecodeRuneInString(p.text[pos:]); size == 1 {
			break
		}
		// A replacement character that was typed.
		pos += len(string(utf8.RuneError))
		pos += strings.IndexFunc(p.text[pos:], func(r rune) bool { return r == utf8.RuneError })
	}
	err := p.errorAt(pos, "the query is not valid UTF-8")
	err.Query = strings.ToValidUTF8(p.text, string(utf8.RuneError))
	return err
}

func (p *parser) peek() rune {
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return r
}

func (p *parser) skipSpace() {
	p.pos += len(p.text[p.pos:]) - len(strings.TrimLeftFunc(p.text[p.pos:], unicode.IsSpace))
}

// run takes characters up to the first that stop holds for.
func (p *parser) run(stop func(rune) bool) string {
	rest := p.text[p.pos:]
	if end := strings.IndexFunc(rest, stop); end >= 0 {
		rest = rest[:end]
	}
	p.pos += len(rest)
	return rest
}

func (p *parser) clause() (Node, error) {
	if !strings.HasPrefix(p.text[p.pos:], "-") {
		return p.atom()
	}
	minus := p.pos
	p.pos++
	if p.pos == len(p.text) || unicode.IsSpace(p.peek()) {
		return nil, p.errorAt(minus, `"-" with nothing after it to leave out`)
	}
	n, err := p.atom()
	if err != nil {
		return nil, err
	}
	return Not{n}, nil
}

func (p *parser) atom() (Node, error) {
	start := p.pos
	if isQuote(p.peek()) {
		text, err := p.phrase()
		if err != nil {
			return nil, err
		}
		return Phrase{text}, nil
	}
	text := p.run(endsWord)
	if p.pos < len(p.text) && p.peek() == ':' {
		p.pos++
		return p.field(start, strings.ToLower(text))
	}
	if err := p.endWord(start, text); err != nil {
		return nil, err
	}
	return Word{text}, nil
}

// phrase reads from an opening quote to behind the closing one.
func (p *parser) phrase() (string, error) {
	open := p.pos
	p.pos += utf8.RuneLen(p.peek())
	text := p.run(isQuote)
	if p.pos == len(p.text) {
		return "", p.errorAt(open, "missing closing quote")
	}
	p.pos += utf8.RuneLen(p.peek())
	if !strings.ContainsFunc(text, isSearchable) {
		return "", p.errorAt(open, "the phrase has no letter or digit to search for")
	}
	if p.pos < len(p.text) && !unicode.IsSpace(p.peek()) {
		return "", p.errorAt(p.pos, "missing space after the closing quote")
	}
	return text, nil
}

func (p *parser) field(start int, name string) (Node, error) {
	switch {
	case name == "taken":
		return p.taken()
	case name == "camera":
		return p.camera()
	case later[name]:
		return nil, p.errorAt(start, "%q is not understood by this version", name+":")
	default:
		return nil, p.errorAt(start, "unknown field %q (there are taken: and camera:; text with a colon needs quotes)", name+":")
	}
}

func (p *parser) camera() (Node, error) {
	start := p.pos
	if start < len(p.text) && isQuote(p.peek()) {
		text, err := p.phrase()
		if err != nil {
			return nil, err
		}
		return Camera{text}, nil
	}
	text := p.run(endsWord)
	if text == "" && (p.pos == len(p.text) || unicode.IsSpace(p.peek())) {
		return nil, p.errorAt(start, "missing name after \"camera:\"")
	}
	if err := p.endWord(start, text); err != nil {
		return nil, err
	}
	return Camera{text}, nil
}

// endWord checks a word that began at start and what stands behind it.
func (p *parser) endWord(start int, text string) error {
	if p.pos < len(p.text) && !unicode.IsSpace(p.peek()) {
		switch r := p.peek(); {
		case isQuote(r):
			return p.errorAt(p.pos, "missing space before the quote")
		case r == ':':
			return p.errorAt(p.pos, "unexpected %q (text with a colon needs quotes)", r)
		default:
			return p.errorAt(p.pos, "%q is not understood by this version", r)
		}
	}
	if msg := wordError(text); msg != "" {
		return p.errorAt(start, "%s", msg)
	}
	return nil
}

// wordError says what keeps text from being a word; empty: nothing.
func wordError(text string) string {
	first, _ := utf8.DecodeRuneInString(text)
	switch {
	case text == "OR":
		return `"OR" is not understood by this version`
	case text == "NOT" || first == '!' || strings.ContainsRune("-–—−", first):
		return fmt.Sprintf("unexpected %q (one plain hyphen leaves a word out: -word)", text)
	case !strings.ContainsFunc(text, isSearchable):
		return fmt.Sprintf("%q has no letter or digit to search for", text)
	case strings.ContainsFunc(text, endsWord):
		return "not one word"
	default:
		return ""
	}
}

func isQuote(r rune) bool { return strings.ContainsRune(`"“”„`, r) }

func endsWord(r rune) bool {
	return unicode.IsSpace(r) || isQuote(r) || strings.ContainsRune("():*~", r)
}

func isSearchable(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
