package search

import (
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"shoebox/storage"
)

// texts are what is said about a photo.
type texts struct {
	caption string
	others  []string // the beam's other captions
	written []string // what people wrote into its file, or as its caption
	names   []string // of its files and folders
	stems   stems    // of all of them
}

func (l *language) textsOf(c storage.Change) texts {
	t := texts{caption: c.Photo.Text, written: written(c.Photo), names: nameTexts(c)}
	for _, other := range c.Photo.Seen.Others {
		t.others = append(t.others, other.Text)
	}
	if c.Photo.Edited {
		t.written = append(t.written, c.Photo.Text)
	}
	t.stems = l.stemsIn(t)
	return t
}

// stemsIn are the stems of texts; of each source each of them once.
func (l *language) stemsIn(t texts) (found stems) {
	found.caption = distinct(l.stems(t.caption))
	for _, other := range t.others {
		for _, stem := range l.stems(other) {
			if !slices.Contains(found.caption, stem) {
				found.others = append(found.others, stem)
			}
		}
	}
	found.others = distinct(found.others)
	for _, text := range slices.Concat(t.written, t.names) {
		found.person = append(found.person, l.stems(text)...)
	}
	return found
}

func distinct(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// written are the texts that people wrote into a photo's file.
func written(p storage.Photo) []string {
	texts := slices.Concat([]string{p.Title, p.Description}, p.Keywords, p.People)
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

// ofCameras are names that cameras and programs give to every folder: nobody
// means them as words about a photo.
var ofCameras = map[string]bool{"camera": true, "dcim": true, "images": true, "photos": true, "pictures": true}

// nameTexts are the words of the files' names without their endings and of their
// folders from the root's own name on, as texts: each photo is found by them.
func nameTexts(c storage.Change) []string {
	var found []string
	for i, path := range c.Paths {
		parts := strings.Split(belowRoot(path, c, i), "/")
		last := len(parts) - 1
		parts[last] = strings.TrimSuffix(parts[last], filepath.Ext(parts[last]))
		for _, part := range parts {
			text := spaced(part)
			if !ofCameras[strings.ToLower(text)] && text != "" && !slices.Contains(found, text) {
				found = append(found, text)
			}
		}
	}
	return found
}

// belowRoot is a path from its root's own name on.
func belowRoot(path string, c storage.Change, i int) string {
	if i >= len(c.Roots) {
		return filepath.Base(path)
	}
	return strings.TrimPrefix(path, strings.TrimSuffix(filepath.Dir(c.Roots[i]), "/")+"/")
}

// spaced puts spaces between the words of a name: where letters and digits
// meet, and for everything that is neither.
func spaced(name string) string {
	var b strings.Builder
	var last rune
	for _, r := range name {
		letter, digit := unicode.IsLetter(r) || unicode.IsMark(r), unicode.IsDigit(r)
		if !letter && !digit {
			r = ' '
		}
		if (letter && unicode.IsDigit(last)) || (digit && unicode.IsLetter(last)) {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		last = r
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
