package search

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"shoebox/search/columns"
	"shoebox/storage"
)

// record is what the columns keep of a photo.
func record(c storage.Change, v *vocabulary, t texts) columns.Record {
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
		v.fold(r.Words, t.stems)
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

// document is what Bleve keeps of a photo whose record is in the columns.
func (l *language) document(c storage.Change, r columns.Placed, v *vocabulary, t texts) (*document.Document, error) {
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
	add(fieldCaption, text, l.stem, t.caption)
	add(fieldOthers, text, l.stem, t.others...)
	add(fieldCaptionPairs, word, l.pairs, append([]string{t.caption}, t.others...)...)
	add(fieldWritten, text, l.stem, t.written...)
	add(fieldNames, text, l.stem, t.names...)
	add(fieldWrittenPairs, word, l.pairs, slices.Concat(t.written, t.names)...)
	add(fieldPlain, word, l.plain, strings.Join(slices.Concat([]string{t.caption}, t.others, t.written, t.names), "\n"))
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
