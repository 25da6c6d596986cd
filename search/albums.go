package search

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"shoebox/search/query"
)

// Albums are saved queries: a folder with a text file for each, named like it.
type Albums struct{ Dir string }

// Save keeps a query under a name, in place of the one that it had.
func (a Albums) Save(name string, q query.Query) error {
	if err := query.CheckName(name); err != nil {
		return &UseError{err.Error()}
	}
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return err
	}
	return writeDurably(filepath.Join(a.Dir, name), []byte(q.String()+"\n"))
}

// Load returns a saved query.
func (a Albums) Load(name string) (query.Query, error) {
	text, err := os.ReadFile(filepath.Join(a.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return query.Query{}, a.unknown(name)
	}
	if err != nil {
		return query.Query{}, err
	}
	q, err := query.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return q, fmt.Errorf("%s: %w", filepath.Join(a.Dir, name), err)
	}
	return q, nil
}

func (a Albums) unknown(name string) error {
	names, err := a.Names()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return &UseError{fmt.Sprintf("there is no album %q, nor any other: `shoebox search --save %s QUERY` makes it", name, name)}
	}
	return &UseError{fmt.Sprintf("there is no album %q; there are %s", name, strings.Join(names, ", "))}
}

// Names are the albums, sorted.
func (a Albums) Names() ([]string, error) {
	entries, err := os.ReadDir(a.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if query.CheckName(entry.Name()) == nil {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
