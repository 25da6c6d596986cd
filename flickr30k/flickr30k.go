// Package flickr30k writes photos and the captions that people gave them in
// the layout of Flickr30K, from which train/ makes a model.
//
// It only reads photos, and writes copies: whatever is done to the written
// folder, the library stays as it is.
package flickr30k

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"shoebox/storage"
)

// The files of the layout.
const (
	pictures = "flickr30k_images"
	table    = "results.csv"
	train    = "train.txt"
	val      = "val.txt"
)

// ErrNothing is returned when there is no photo with a caption to write.
var ErrNothing = errors.New("no photo has a caption that a person wrote")

// Written says what became of the captions.
type Written struct {
	Train, Val int // pictures to learn from, and pictures to measure on
	// Empty captions were emptied by a person: nothing is learnt from them.
	Empty int
	// Absent are captions whose photo could not be copied.
	Absent []Absent
}

// Absent is a caption without its photo.
type Absent struct {
	storage.Edit
	Reason error // names the last of its files that was tried
}

// captioned is a copied picture: a row of the table.
type captioned struct{ name, caption string }

// Write fills dir, which has to be empty or not there yet, with copies of the
// photos that were edited, a table of their captions, and lists of the
// pictures to learn from and to measure on (see split). After an error dir is
// empty again; Absent is complete with ErrNothing too.
func Write(ctx context.Context, dir string, edits iter.Seq2[storage.Edit, error], seed uint64) (w Written, err error) {
	if err := makeEmpty(dir); err != nil {
		return Written{}, err
	}
	defer func() {
		if err != nil {
			for _, name := range []string{pictures, table, train, val} {
				err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
			}
		}
	}()
	if err := os.Mkdir(filepath.Join(dir, pictures), 0o755); err != nil {
		return Written{}, err
	}
	var all []captioned
	for edit, err := range edits {
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return Written{}, err
		}
		caption := strings.Join(strings.Fields(edit.Caption), " ")
		if caption == "" {
			w.Empty++
			continue
		}
		path, content, err := read(edit)
		if err != nil {
			w.Absent = append(w.Absent, Absent{edit, err})
			continue
		}
		name := edit.Photo.String()[:16] + strings.ToLower(filepath.Ext(path))
		if err := os.WriteFile(filepath.Join(dir, pictures, name), content, 0o644); err != nil {
			return Written{}, err
		}
		all = append(all, captioned{name, caption})
	}
	if len(all) == 0 {
		return w, ErrNothing
	}
	return w, w.writeLists(dir, all, seed)
}

// makeEmpty makes sure that dir is an empty folder.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: name a folder that is, or a new one", dir)
	}
	return err
}

// read returns the first of a photo's files that still has its content.
func read(edit storage.Edit) (path string, content []byte, err error) {
	err = fmt.Errorf("no file has this content any more: %w", fs.ErrNotExist)
	for _, path := range edit.Paths {
		if content, err = os.ReadFile(path); err != nil {
			continue
		}
		if sha256.Sum256(content) == edit.Photo {
			return path, content, nil
		}
		err = fmt.Errorf("%s has changed since its caption was edited", path)
	}
	return "", nil, err
}

// writeLists writes the table last: without it train/ takes the folder for
// none.
func (w *Written) writeLists(dir string, all []captioned, seed uint64) error {
	learnt, measured := split(all, seed)
	w.Train, w.Val = len(learnt), len(measured)
	for _, list := range []struct {
		file, header string
		of           []captioned
		line         func(captioned) string
	}{
		{train, "", learnt, func(c captioned) string { return c.name }},
		{val, "", measured, func(c captioned) string { return c.name }},
		{table, "image_name| comment_number| comment\n", all, func(c captioned) string { return c.name + "| 0| " + c.caption }},
	} {
		var text strings.Builder
		text.WriteString(list.header)
		for _, c := range list.of {
			text.WriteString(list.line(c) + "\n")
		}
		if err := os.WriteFile(filepath.Join(dir, list.file), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
