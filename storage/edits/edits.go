// Package edits keeps the captions that people wrote a second time, outside of
// the database: they are the one thing in it that no computer can make again.
//
// A day's file holds all edits as JSON lines, and is readable without shoebox.
// Nothing reads the files back by itself.
package edits

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"shoebox/storage"
)

// keep is how many days' files stay: one is only written when the edits differ
// from the newest.
const keep = 30

// Source is where the edits are: storage.Store.
type Source interface {
	Edits(ctx context.Context) iter.Seq2[storage.Edit, error]
}

// line is what a file holds of an edit.
type line struct {
	Photo    string    `json:"photo"` // hexadecimal SHA-256 of the content
	Caption  string    `json:"caption"`
	EditedAt time.Time `json:"edited_at"`
	Paths    []string  `json:"paths"`
	PathsB64 [][]byte  `json:"paths_b64,omitempty"` // exactly, where one is not UTF-8
}

// Save writes all edits into dir/YYYY-MM-DD.jsonl, unless there is a file of
// that day or they are those of the newest file, and removes the oldest files
// beyond thirty. Any number of processes may call it at once.
func Save(ctx context.Context, source Source, dir string, day time.Time) (err error) {
	name := filepath.Join(dir, day.Format(time.DateOnly)+".jsonl")
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.Remove(file.Name()); !errors.Is(removeErr, fs.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}()
	if err := errors.Join(write(ctx, source, file), file.Sync(), file.Close()); err != nil {
		return err
	}
	days, err := filepath.Glob(filepath.Join(escape(dir), "????-??-??.jsonl"))
	if err != nil {
		return err
	}
	slices.Sort(days)
	newest := os.DevNull
	if len(days) > 0 {
		newest = days[len(days)-1]
	}
	if same, err := equal(file.Name(), newest); err != nil || same {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	for _, old := range days[:max(0, len(days)+1-keep)] {
		err = errors.Join(err, os.Remove(old))
	}
	return err
}

func write(ctx context.Context, source Source, out io.Writer) error {
	buffered := bufio.NewWriter(out)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for e, err := range source.Edits(ctx) {
		if err != nil {
			return err
		}
		l := line{Photo: e.Photo.String(), Caption: e.Caption, EditedAt: e.At.UTC(), Paths: []string{}}
		for _, path := range e.Paths {
			l.Paths = append(l.Paths, strings.ToValidUTF8(path, "\uFFFD"))
			l.PathsB64 = append(l.PathsB64, []byte(path))
		}
		if !slices.ContainsFunc(e.Paths, func(path string) bool { return !utf8.ValidString(path) }) {
			l.PathsB64 = nil
		}
		if err := encoder.Encode(l); err != nil {
			return fmt.Errorf("photo %s: %w", e.Photo, err)
		}
	}
	return buffered.Flush()
}

// equal compares two files.
func equal(a, b string) (bool, error) {
	one, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	other, err := os.ReadFile(b)
	return bytes.Equal(one, other), err
}

// escape quotes what filepath.Glob would read as a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
