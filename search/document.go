package search

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"shoebox/search/columns"
	"shoebox/storage"
)

// record is what the columns keep of a photo.
func (l *language) record(c storage.Change, v *vocabulary) columns.Record {
	p := c.Photo
	first := c.Paths[0]
	r := columns.Record{
		Photo: p.ID, Taken: columns.NoTime,
		FileName: filepath.Base(first), Folder: filepath.Dir(first),
		Camera: p.Camera, Lens: p.Lens,
		ISO: p.ISO, ExposureTime: p.ExposureTime, FNumber: p.FNumber, FocalLength: p.FocalLength,
		Width: p.Width, Height: p.Height,
	}
	if !p.Taken.IsZero() {
		r.Taken = p.Taken.Clock.Unix()
	}
	if at := p.Location; at != nil && isPlace(*at) {
		r.Flags |= columns.HasPlace
		r.Lat, r.Lon = at.Lat, at.Lon
	}
	for flag, holds := range map[columns.Flag]bool{
		columns.Edited:      p.Edited,
		columns.HasTitle:    p.Title != "",
		columns.HasKeywords: len(p.Keywords) > 0,
		columns.HasPeople:   len(p.People) > 0,
		columns.HasCaption:  p.Text != "",
		columns.Raw:         rawFormats[p.Format],
	} {
		if holds {
			r.Flags |= flag
		}
	}
	if v != noWords && len(p.Seen.Words) == len(v.likely) {
		r.Model = v.model
		r.Words = slices.Clone(p.Seen.Words)
		v.foldKinds(r.Words, v.kinds(p.Seen.Classes))
		v.fold(r.Words, l.texts(c))
	}
	return r
}

// rawFormats are the formats of sensors' data (storage.Photo.Format).
var rawFormats = map[string]bool{
	"arw": true, "cr2": true, "cr3": true, "dng": true, "nef": true, "orf": true, "pef": true, "raf": true, "raw": true, "rw2": true,
}

func isPlace(l storage.Location) bool {
	return l.Lat >= -90 && l.Lat <= 90 && l.Lon >= -180 && l.Lon <= 180
}

// texts collects the stems of what is said about a photo.
func (l *language) texts(c storage.Change) texts {
	var t texts
	caption := l.stems(c.Photo.Text)
	for _, other := range c.Photo.Seen.Others {
		for _, stem := range l.stems(other.Text) {
			if !slices.Contains(caption, stem) {
				t.others = append(t.others, stem)
			}
		}
	}
	t.others = distinct(t.others)
	for _, text := range slices.Concat(written(c.Photo), nameTexts(c)) {
		t.person = append(t.person, l.stems(text)...)
	}
	if c.Photo.Edited {
		t.person = append(t.person, caption...)
	} else {
		t.caption = distinct(caption)
	}
	return t
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

// document is what Bleve keeps of a photo whose record is in the columns.
func (l *language) document(c storage.Change, r columns.Placed, v *vocabulary) (*document.Document, error) {
	hit, err := json.Marshal(NewHit(c))
	if err != nil {
		return nil, fmt.Errorf("photo %s: %w", c.Photo.ID, err)
	}
	doc := document.NewDocument(c.Photo.ID.String())
	doc.AddField(document.NewTextFieldCustom(fieldHit, nil, hit, index.StoreField, nil))
	place := binary.BigEndian.AppendUint32(appendSlot(nil, r.Slot), r.Checksum)
	doc.AddField(document.NewTextFieldCustom(fieldPlace, nil, place, index.StoreField, nil))
	doc.AddField(document.NewTextFieldCustom(fieldSlot, nil, appendSlot(nil, r.Slot), index.IndexField|index.DocValues|index.SkipFreqNorm, l.keyword))

	const text, word = index.IndexField | index.IncludeTermVectors, index.IndexField | index.SkipFreqNorm
	add := func(field string, options index.FieldIndexingOptions, analyzer analysis.Analyzer, texts ...string) {
		// Each text is a value of its own, so that no phrase reaches across two.
		for i, text := range texts {
			doc.AddField(document.NewTextFieldCustom(field, []uint64{uint64(i)}, []byte(text), options, analyzer))
		}
	}
	var others []string
	for _, other := range c.Photo.Seen.Others {
		others = append(others, other.Text)
	}
	// A caption that a person wrote counts as that, too.
	writes, calls := written(c.Photo), nameTexts(c)
	if c.Photo.Edited {
		writes = append(writes, c.Photo.Text)
	}
	add(fieldCaption, text, l.stem, c.Photo.Text)
	add(fieldOthers, text, l.stem, others...)
	add(fieldCaptionPairs, word, l.pairs, append([]string{c.Photo.Text}, others...)...)
	add(fieldWritten, text, l.stem, writes...)
	add(fieldNames, text, l.stem, calls...)
	add(fieldWrittenPairs, word, l.pairs, slices.Concat(writes, calls)...)
	add(fieldPlain, word, l.plain, strings.Join(slices.Concat([]string{c.Photo.Text}, others, writes, calls), "\n"))
	if kinds := v.likelyKinds(c.Photo.Seen.Classes); kinds != "" {
		add(fieldKinds, word, l.stem, kinds)
	}
	if rawFormats[c.Photo.Format] {
		add(fieldShot, word, l.keyword, shotTerm(columns.Shot(r.Folder, r.FileName)))
	}
	for _, name := range fileNames(c.Paths) {
		add(fieldName, word, l.keyword, name)
	}
	var more []string
	for _, path := range c.Paths[1:] {
		if folder := filepath.Dir(path); folder != r.Folder {
			more = append(more, spaced(folder))
		}
	}
	add(fieldFolder, text, l.plain, more...)
	return doc, nil
}

func shotTerm(shot uint64) string { return strconv.FormatUint(shot, 16) }

// fileNames are the names of files, in lower case, whole, without their
// endings, and their words.
func fileNames(paths []string) (found []string) {
	for _, path := range paths {
		name := strings.ToLower(filepath.Base(path))
		whole := strings.TrimSuffix(name, filepath.Ext(name))
		found = append(found, name, whole)
		found = append(found, strings.Fields(spaced(whole))...)
	}
	return distinct(found)
}
