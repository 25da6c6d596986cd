package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a query may hold at most, so that no text makes a search expensive.
const (
	maxTerms = 100
	maxDepth = 50
)

// Parse reads a query. Its error is an *Error.
func Parse(text string) (Query, error) {
	p := &parser{text: text}
	if !utf8.ValidString(text) {
		return Query{}, p.invalidUTF8()
	}
	root, err := p.either()
	switch {
	case err != nil:
		return Query{}, err
	case p.pos < len(p.text): // either ends only here and there
		return Query{}, p.errorAt(p.pos, `unexpected ")"`)
	case root == nil && !p.sorted:
		return Query{}, p.errorAt(0, "the query is empty: nothing to search for")
	default:
		return Query{Root: root, Sort: p.sort}, nil
	}
}

// parser reads text from pos on, which counts bytes.
type parser struct {
	text   string
	pos    int
	depth  int // groups around pos
	terms  int // read so far
	sort   Sort
	sorted bool // a sort was read
}

func (p *parser) errorAt(pos int, format string, args ...any) *Error {
	return &Error{
		Query: p.text,
		At:    utf8.RuneCountInString(p.text[:pos]) + 1,
		Msg:   fmt.Sprintf(format, args...),
	}
}

func (p *parser) invalidUTF8() *Error {
	pos := 0
	for {
		r, size := utf8.DecodeRuneInString(p.text[pos:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		pos += size
	}
	err := p.errorAt(pos, "the query is not valid UTF-8")
	err.Query = strings.ToValidUTF8(p.text, string(utf8.RuneError))
	return err
}

// peek returns the next character, and utf8.RuneError at the end.
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

// either reads to the end of the query or to a closing parenthesis. It is nil
// when there is nothing before that.
func (p *parser) either() (Node, error) {
	var sides []Node
	or := -1 // where the OR before the next side stands
	for {
		side, err := p.every()
		if err != nil {
			return nil, err
		}
		next, more := p.pos, p.atOr()
		if side == nil {
			if or < 0 && !more {
				return nil, nil
			}
			if or < 0 {
				or = next
			}
			return nil, p.errorAt(or, "OR needs something on both sides")
		}
		sides = append(sides, side)
		if !more {
			return anyOf(sides), nil
		}
		or = next
		p.pos += len("OR")
	}
}

// atOr reports whether the operator OR stands next.
func (p *parser) atOr() bool {
	rest, ok := strings.CutPrefix(p.text[p.pos:], "OR")
	next, _ := utf8.DecodeRuneInString(rest)
	return ok && (rest == "" || next == ')' || unicode.IsSpace(next))
}

// every reads clauses and the space around them; it is nil for none.
func (p *parser) every() (Node, error) {
	var nodes []Node
	for {
		p.skipSpace()
		if p.pos == len(p.text) || p.peek() == ')' || p.atOr() {
			return allOf(nodes), nil
		}
		n, err := p.clause()
		if err != nil {
			return nil, err
		}
		if n != nil {
			nodes = append(nodes, n)
		}
	}
}

// clause is nil after a sort.
func (p *parser) clause() (Node, error) {
	if p.peek() != '-' {
		return p.atom()
	}
	minus := p.pos
	p.pos++
	if p.atEndOfTerm() {
		return nil, p.errorAt(minus, `"-" with nothing after it to leave out`)
	}
	n, err := p.atom()
	switch {
	case err != nil:
		return nil, err
	case n == nil:
		return nil, p.errorAt(minus, `an order cannot be left out: "sort:" without "-"`)
	default:
		return noneOf(n), nil
	}
}

// atom is nil after a sort.
func (p *parser) atom() (Node, error) {
	start, group := p.pos, p.peek() == '('
	n, err := p.atomUnchecked()
	if err != nil {
		return nil, err
	}
	if !p.atEndOfTerm() {
		return nil, p.missingSpace()
	}
	if n != nil && !group {
		p.terms++
	}
	if p.terms > maxTerms {
		return nil, p.errorAt(start, "the query has more than %d words and filters", maxTerms)
	}
	return n, nil
}

// atomUnchecked leaves to atom what may stand behind it.
func (p *parser) atomUnchecked() (Node, error) {
	switch r := p.peek(); {
	case r == '(':
		return p.group()
	case isQuote(r):
		text, err := p.phrase()
		return Phrase{text}, err
	case r == '@':
		return p.album()
	}
	start := p.pos
	text := p.run(endsWord)
	if p.pos < len(p.text) && p.peek() == ':' {
		p.pos++
		return p.field(start, text)
	}
	return p.free(start, text)
}

func (p *parser) group() (Node, error) {
	open := p.pos
	if p.depth == maxDepth {
		return nil, p.errorAt(open, "parentheses are nested more than %d deep", maxDepth)
	}
	p.depth++
	p.pos++
	n, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.pos == len(p.text) {
		return nil, p.errorAt(open, "missing closing parenthesis")
	}
	if n == nil {
		return nil, p.errorAt(open, "nothing between the parentheses")
	}
	p.depth--
	p.pos++
	return n, nil
}
