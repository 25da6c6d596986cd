package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

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
	return text, nil
}

// free reads what may stand behind text, a free word that began at start.
func (p *parser) free(start int, text string) (Node, error) {
	var sign rune
	if p.pos < len(p.text) {
		sign = p.peek()
	}
	if sign != '*' && sign != '~' {
		if msg := wordError(text); msg != "" {
			return nil, p.errorAt(start, "%s", msg)
		}
		return Word{text}, nil
	}
	if err := p.wildcard(start, text); err != nil {
		return nil, err
	}
	if sign == '*' {
		return Prefix{text}, nil
	}
	return Fuzzy{text}, nil
}

// wildcard reads the "*" or "~" behind text, which began at start.
func (p *parser) wildcard(start int, text string) error {
	at, sign := p.pos, string(p.peek())
	p.pos++
	if !p.atEndOfTerm() {
		return p.errorAt(at, "%q can only stand at the end of a word", sign)
	}
	if msg := startError(text); msg != "" {
		return p.errorAt(start, "%s", msg)
	}
	count := 0
	for _, r := range text {
		if isSearchable(r) {
			count++
		}
	}
	if count < 2 {
		return p.errorAt(start, "%q needs at least two letters or digits before the %q", text+sign, sign)
	}
	return nil
}

// album reads a "@" and the name behind it.
func (p *parser) album() (Node, error) {
	start := p.pos
	p.pos++
	name := p.run(endsValue)
	if err := CheckName(name); err != nil {
		return nil, p.errorAt(start, "%s", err)
	}
	return Album{name}, nil
}

// CheckName says why a saved query cannot have a name, if it cannot.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf(`missing name of a saved query after "@"`)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !isSearchable(r) && r != '-' && r != '_' }) {
		return fmt.Errorf(`%q cannot be the name of a saved query (letters, digits, "-" and "_")`, name)
	}
	return nil
}

// wordError says what keeps text from being a free word; empty: nothing.
func wordError(text string) string {
	switch text {
	case "OR":
		return `unexpected "OR" (it stands between two things to look for, with spaces around it)`
	case "NOT":
		return leaveOut(text)
	default:
		return textError(text)
	}
}

// textError says what keeps text from standing behind camera: and such
// without quotes; empty: nothing.
func textError(text string) string {
	switch {
	case startError(text) != "":
		return startError(text)
	case !strings.ContainsFunc(text, isSearchable):
		return fmt.Sprintf("%q has no letter or digit to search for", text)
	case strings.ContainsFunc(text, endsWord):
		return "not one word"
	default:
		return ""
	}
}

// startError refuses the signs by which other languages leave words out.
func startError(text string) string {
	if first, _ := utf8.DecodeRuneInString(text); strings.ContainsRune("!-–—−", first) {
		return leaveOut(text)
	}
	return ""
}

func leaveOut(text string) string {
	return fmt.Sprintf("unexpected %q (one plain hyphen leaves something out: -word, -camera:canon)", text)
}

// missingSpace is what to say where a term should have ended.
func (p *parser) missingSpace() *Error {
	before, _ := utf8.DecodeLastRuneInString(p.text[:p.pos])
	switch next := p.peek(); {
	case before == ')':
		return p.errorAt(p.pos, "missing space after the closing parenthesis")
	case isQuote(before):
		return p.errorAt(p.pos, "missing space after the closing quote")
	case isQuote(next):
		return p.errorAt(p.pos, "missing space before the quote")
	case next == '(' && before == ':':
		return p.errorAt(p.pos, "a group cannot follow a field; write (camera:a OR camera:b), or quotes for text with parentheses")
	case next == '(':
		return p.errorAt(p.pos, "missing space before the parenthesis (text with parentheses needs quotes)")
	default:
		return p.errorAt(p.pos, `unexpected "%c" (text with this sign needs quotes)`, next)
	}
}

// atEndOfTerm reports whether a term may end at pos.
func (p *parser) atEndOfTerm() bool {
	return p.pos == len(p.text) || p.peek() == ')' || unicode.IsSpace(p.peek())
}

func isQuote(r rune) bool { return strings.ContainsRune(`"“”„`, r) }

func endsWord(r rune) bool { return endsValue(r) || strings.ContainsRune(":*~", r) }

func endsValue(r rune) bool { return unicode.IsSpace(r) || isQuote(r) || r == '(' || r == ')' }

func isSearchable(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
