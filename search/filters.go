package search

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"shoebox/search/columns"
	"shoebox/search/query"
)

// filter compiles what holds for a photo or not.
func (c *compiler) filter(n query.Node) (matcher, error) {
	switch n := n.(type) {
	case query.Named:
		return c.named(n)
	case query.Taken:
		from, to := int64(math.MinInt64+1), int64(math.MaxInt64)
		if !n.From.IsZero() {
			from = n.From.First().Unix()
		}
		if !n.To.IsZero() {
			to = n.To.Last().Add(24*time.Hour - time.Second).Unix()
		}
		return within((*columns.Block).Taken, func(taken int64) bool { return taken >= from && taken <= to }), nil
	case query.Near:
		return near(n), nil
	case query.Box:
		return box(n), nil
	case query.Range:
		return numbers(n), nil
	case query.Has:
		return has(n.What)
	case query.By:
		return within((*columns.Block).Flags, func(f columns.Flag) bool { return (f&columns.Edited != 0) == n.Me }), nil
	default:
		return nil, &UseError{fmt.Sprintf("search cannot look for %s", n)}
	}
}

// numbers compiles a range of a number of a photo; 0 is unknown.
func numbers(r query.Range) matcher {
	whole := func(column func(*columns.Block) []uint32) matcher {
		return within(column, func(x uint32) bool { return inRange(r, float64(x), r.Min, r.Max) })
	}
	// The ends are rounded as the column is: no 1/60 s is longer than 1/60 s.
	from, to := float64(float32(r.Min)), float64(float32(r.Max))
	fraction := func(column func(*columns.Block) []float32) matcher {
		return within(column, func(x float32) bool { return inRange(r, float64(x), from, to) })
	}
	switch r.Number {
	case query.ISO:
		return whole((*columns.Block).ISOs)
	case query.Width:
		return whole((*columns.Block).Widths)
	case query.Height:
		return whole((*columns.Block).Heights)
	case query.FNumber:
		return fraction((*columns.Block).FNumbers)
	case query.Exposure:
		return fraction((*columns.Block).Exposures)
	default:
		return fraction((*columns.Block).FocalLengths)
	}
}

// inRange reports whether a number lies between the ends of a range.
func inRange(r query.Range, x, from, to float64) bool {
	return x != 0 && (x > from || x == from && !r.MinOpen) && (x < to || x == to && !r.MaxOpen)
}

// has compiles has:.
func has(what string) (matcher, error) {
	flag := func(flag columns.Flag) (matcher, error) {
		return within((*columns.Block).Flags, func(f columns.Flag) bool { return f&flag != 0 }), nil
	}
	name := func(column func(*columns.Block) []uint32) (matcher, error) {
		return within(column, func(id uint32) bool { return id != 0 }), nil
	}
	switch what {
	case "gps":
		return flag(columns.HasPlace)
	case "title":
		return flag(columns.HasTitle)
	case "keywords":
		return flag(columns.HasKeywords)
	case "people":
		return flag(columns.HasPeople)
	case "caption":
		return flag(columns.HasCaption)
	case "camera":
		return name((*columns.Block).Cameras)
	case "lens":
		return name((*columns.Block).Lenses)
	case "date":
		return within((*columns.Block).Taken, func(taken int64) bool { return taken != columns.NoTime }), nil
	case "exposure":
		return within((*columns.Block).Exposures, func(seconds float32) bool { return seconds != 0 }), nil
	default:
		return nil, &UseError{fmt.Sprintf("search cannot tell what has %q", what)}
	}
}

// named compiles words in the name of a camera, a lens, a folder or a file.
func (c *compiler) named(n query.Named) (matcher, error) {
	switch n.Field {
	case query.Camera:
		return c.inNames(n, columns.Cameras, (*columns.Block).Cameras)
	case query.Lens:
		return c.inNames(n, columns.Lenses, (*columns.Block).Lenses)
	case query.Folder:
		first, err := c.inNames(n, columns.Folders, (*columns.Block).Folders)
		if err != nil {
			return nil, err
		}
		// The folders of a photo's other files are in the index of texts.
		wanted, err := c.g.language.nameTerms(n)
		if err != nil {
			return nil, err
		}
		others := c.newSaid()
		err = c.consecutive(fieldFolder, wanted, n.Prefix, func(slots []columns.Slot) { others.raise(slots, 1) })
		return either([]matcher{first, others}), err
	default:
		return c.fileName(n)
	}
}

// nameTerms are the words that a name has to hold beside each other.
func (l *language) nameTerms(n query.Named) ([]string, error) {
	wanted := terms(l.plain, spaced(n.Text))
	if len(wanted) == 0 {
		return nil, &UseError{fmt.Sprintf("%s holds nothing that can be searched for", n)}
	}
	return wanted, nil
}

// inNames compiles words in the names of a kind, of which a photo has one.
func (c *compiler) inNames(n query.Named, kind columns.Kind, column func(*columns.Block) []uint32) (matcher, error) {
	wanted, err := c.g.language.nameTerms(n)
	if err != nil {
		return nil, err
	}
	names, err := c.view.Names(kind)
	if err != nil {
		return nil, err
	}
	matches := make([]bool, len(names))
	for id, name := range names {
		// A look at the letters spares most names the analysis. Others than
		// ASCII's may be composed in several ways.
		if strings.Contains(strings.ToLower(name), wanted[0]) || strings.ContainsFunc(name, isNotASCII) {
			matches[id] = holds(terms(c.g.language.plain, spaced(name)), wanted, n.Prefix)
		}
	}
	return within(column, func(id uint32) bool { return int(id) < len(matches) && matches[id] }), nil
}

func isNotASCII(r rune) bool { return r > unicode.MaxASCII }

// holds reports whether words stand beside each other in a name; of the last
// one only the beginning counts with prefix.
func holds(name, wanted []string, prefix bool) bool {
	last := len(wanted) - 1
	for at := 0; at+last < len(name); at++ {
		i := 0
		for i < last && name[at+i] == wanted[i] {
			i++
		}
		if i == last && (name[at+i] == wanted[i] || prefix && strings.HasPrefix(name[at+i], wanted[i])) {
			return true
		}
	}
	return false
}

// fileName compiles name:, which means the whole name of a file, with or
// without its ending, or words in it.
func (c *compiler) fileName(n query.Named) (matcher, error) {
	found := c.newSaid()
	visit := func(slots []columns.Slot) { found.raise(slots, 1) }
	text := strings.ToLower(n.Text)
	if n.Prefix {
		return found, c.postings.terms(fieldName, text, nil, func(term string) error {
			return c.postings.each(fieldName, term, visit)
		})
	}
	if err := c.postings.each(fieldName, text, visit); err != nil || !strings.Contains(text, " ") {
		return found, err
	}
	var parts []matcher
	for _, word := range strings.Fields(spaced(text)) {
		part := c.newSaid()
		err := c.postings.each(fieldName, word, func(slots []columns.Slot) { part.raise(slots, 1) })
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return either([]matcher{found, every(parts)}), nil
}

// consecutive visits the photos in whose field terms stand beside each other.
func (c *compiler) consecutive(field string, wanted []string, prefix bool, visit func([]columns.Slot)) error {
	if !prefix {
		return c.postings.phrase(c.ctx, field, "", wanted, visit)
	}
	last := len(wanted) - 1
	return c.postings.terms(field, wanted[last], nil, func(term string) error {
		whole := slices.Concat(wanted[:last], []string{term})
		return c.postings.phrase(c.ctx, field, "", whole, visit)
	})
}
