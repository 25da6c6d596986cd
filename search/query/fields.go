package query

import (
	"fmt"
	"slices"
	"strings"
)

// fields are the names that may stand before a colon.
var fields = []string{
	"box", "by", "camera", "exposure", "f", "focal", "folder", "has", "height", "iso",
	"lens", "name", "near", "sort", "taken", "width",
}

// things are what has: asks for.
var things = []string{"camera", "caption", "date", "exposure", "gps", "keywords", "lens", "people", "title"}

// field reads what follows the colon behind written, which began at start. It
// is nil after a sort.
func (p *parser) field(start int, written string) (Node, error) {
	switch name := strings.ToLower(written); name {
	case "camera", "lens", "folder", "name":
		return p.named(Field(name))
	case "taken":
		return p.taken()
	case "near":
		return p.near()
	case "box":
		return p.box()
	case "iso", "f", "exposure", "focal", "width", "height":
		return p.figure(Number(name))
	case "has":
		what, err := p.oneOf(name, things)
		return Has{what}, err
	case "by":
		who, err := p.oneOf(name, []string{"me", "model"})
		return By{Me: who == "me"}, err
	case "sort":
		return nil, p.order(start)
	default:
		return nil, p.noField(start, name+":")
	}
}

func (p *parser) noField(start int, name string) *Error {
	var nearest string
	if suggestion := suggest(strings.TrimSuffix(name, ":"), fields); suggestion != "" {
		nearest = fmt.Sprintf(" (did you mean %q?)", suggestion+":")
	}
	return p.errorAt(start, "no field %q%s; there are %s; text with a colon needs quotes",
		name, nearest, strings.Join(fields, ", "))
}

// named reads the text behind camera: and such.
func (p *parser) named(field Field) (Node, error) {
	start := p.pos
	if start < len(p.text) && isQuote(p.peek()) {
		text, err := p.phrase()
		return Named{Field: field, Text: text}, err
	}
	text := p.run(endsWord)
	if p.pos < len(p.text) && p.peek() == '*' {
		return Named{Field: field, Text: text, Prefix: true}, p.wildcard(start, text)
	}
	if text == "" && p.atEndOfTerm() {
		return nil, p.errorAt(start, `missing name after "%s:"`, field)
	}
	if text == "" {
		return nil, p.missingSpace()
	}
	if msg := textError(text); msg != "" {
		return nil, p.errorAt(start, "%s", msg)
	}
	return Named{Field: field, Text: text}, nil
}

// oneOf reads one of a field's words.
func (p *parser) oneOf(field string, words []string) (string, error) {
	start := p.pos
	written := p.run(endsValue)
	word := strings.ToLower(written)
	if slices.Contains(words, word) {
		return word, nil
	}
	choices := strings.Join(words, ", ")
	if written == "" {
		return "", p.errorAt(start, "missing word after %q (one of %s)", field+":", choices)
	}
	return "", p.errorAt(start, "%q cannot follow %q (one of %s)", written, field+":", choices)
}

// order reads what follows "sort:", which began at start.
func (p *parser) order(start int) error {
	word, err := p.oneOf("sort", []string{"relevance", "date", "oldest", "name"})
	switch {
	case err != nil:
		return err
	case p.depth > 0:
		return p.errorAt(start, `"sort:" cannot stand in parentheses`)
	case p.sorted:
		return p.errorAt(start, `a second "sort:"`)
	}
	p.sorted = true
	if word != "relevance" {
		p.sort = Sort(word)
	}
	return nil
}

// suggest returns the one of names that word is most likely meant to be, or
// nothing when all are far from it.
func suggest(word string, names []string) string {
	nearest, least := "", len(word)/3+1
	for _, name := range names {
		if d := distance(word, name); d < least {
			nearest, least = name, d
		}
	}
	return nearest
}

// distance counts the bytes to insert, drop or change to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
