// Package mounted shows a storage.Store with the paths of this machine, where a
// folder may be mounted at another path than on the machine that indexed it
// first.
//
// The paths that the store keeps never change by it. Which folder is where is
// this machine's own affair and lies in its data folder: the database is shared,
// and a configuration file belongs to the person who writes it.
package mounted

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Mounts says where folders are on this machine: local paths by stored ones,
// both absolute. A folder that is not named is where storage has it.
type Mounts map[string]string

// Load reads what Save wrote. A file that is not there names no folder.
func Load(file string) (Mounts, error) {
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	mounts := Mounts{}
	for line := range strings.Lines(string(data)) {
		stored, local, err := parseLine(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("%s: %w; `shoebox folders map` writes this file", file, err)
		}
		mounts[stored] = local
	}
	return mounts, nil
}

// Save writes a line for each folder: stored and local path, quoted as in Go, so
// that names of any bytes stay readable and exact.
func (m Mounts) Save(file string) error {
	var text strings.Builder
	for _, stored := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&text, "%s %s\n", strconv.Quote(stored), strconv.Quote(m[stored]))
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d", file, os.Getpid())
	if err := os.WriteFile(temporary, []byte(text.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

func parseLine(line string) (stored, local string, err error) {
	first, err := strconv.QuotedPrefix(line)
	if err != nil {
		return "", "", fmt.Errorf("%q is not two quoted paths", line)
	}
	if stored, err = strconv.Unquote(first); err == nil {
		local, err = strconv.Unquote(strings.TrimSpace(line[len(first):]))
	}
	if err != nil || !filepath.IsAbs(stored) || !filepath.IsAbs(local) {
		return "", "", fmt.Errorf("%q is not two quoted absolute paths", line)
	}
	return stored, local, nil
}

// Set says where a folder is; at its stored path, it is forgotten. Two folders
// cannot be at one place.
func (m Mounts) Set(stored, local string) error {
	for other, place := range m {
		if place == local && other != stored {
			return fmt.Errorf("%s is %s already", local, other)
		}
	}
	if stored == local {
		delete(m, stored)
	} else {
		m[stored] = local
	}
	return nil
}

// Local returns where a stored path, of a folder or of a file in one, is on this
// machine.
func (m Mounts) Local(path string) string {
	return translate(path, maps.All(m))
}

// Stored returns the path that storage has for a local one.
func (m Mounts) Stored(path string) string {
	return translate(path, func(yield func(local, stored string) bool) {
		for stored, local := range m {
			if !yield(local, stored) {
				return
			}
		}
	})
}

// translate replaces the longest of the prefixes that a path lies below.
func translate(path string, prefixes func(yield func(from, to string) bool)) string {
	longest, result := -1, path
	for from, to := range prefixes {
		rest, below := strings.CutPrefix(path, strings.TrimSuffix(from, "/"))
		if below && (rest == "" || rest[0] == '/') && len(from) > longest {
			longest, result = len(from), filepath.Clean(to+rest)
		}
	}
	return result
}
