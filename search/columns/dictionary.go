package columns

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
)

// Kind is what names are of.
type Kind int

// The kinds of names.
const (
	Cameras Kind = iota
	Lenses
	Folders
	kinds
)

// kindNames are those of the files.
var kindNames = [kinds]string{"cameras", "lenses", "folders"}

type dictionaries [kinds]*dictionary

// dictionary numbers the names that many photos share. Its file only grows:
// each name with its length before it, as a uvarint. Number 0 is the empty
// name and not in the file.
type dictionary struct {
	path string

	mu     sync.Mutex
	size   int64 // bytes of the file that count
	loaded bool
	names  []string
	ids    map[string]uint32
}

// longestName is more bytes than a path can have. Of longer names, which a
// crafted file may give to its camera, the beginning counts.
const longestName = 1 << 12

func cut(name string) string { return name[:min(len(name), longestName)] }

// load reads the file once, when the first name is asked for: most searches
// ask for none.
func (d *dictionary) load() error {
	if d.loaded {
		return nil
	}
	names, ids := []string{""}, map[string]uint32{"": 0}
	if d.size > 0 {
		file, err := os.Open(d.path)
		if err != nil {
			return damaged(d.path, "%v", err)
		}
		defer func() { _ = file.Close() }()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		if info.Size() < d.size {
			return damaged(d.path, "%d bytes, %d expected", info.Size(), d.size)
		}
		in := bufio.NewReader(io.LimitReader(file, d.size))
		for {
			length, err := binary.ReadUvarint(in)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || length > longestName {
				return damaged(d.path, "name %d cannot be read", len(names))
			}
			name := make([]byte, length)
			if _, err := io.ReadFull(in, name); err != nil {
				return damaged(d.path, "name %d is cut off", len(names))
			}
			ids[string(name)] = uint32(len(names))
			names = append(names, string(name))
		}
	}
	d.names, d.ids, d.loaded = names, ids, true
	return nil
}

func (d *dictionary) all() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.load(); err != nil {
		return nil, err
	}
	return d.names[:len(d.names):len(d.names)], nil
}

// add numbers names, and appends those that are new to file. Numbers that no
// State counts yet are given again after a crash.
func (d *dictionary) add(file *os.File, names map[string]bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.load(); err != nil {
		return err
	}
	var fresh []byte
	count := len(d.names)
	for name := range names {
		name = cut(name)
		if _, known := d.ids[name]; known {
			continue
		}
		fresh = binary.AppendUvarint(fresh, uint64(len(name)))
		fresh = append(fresh, name...)
		d.ids[name] = uint32(len(d.names))
		d.names = append(d.names, name)
	}
	if _, err := file.WriteAt(fresh, d.size); err != nil {
		for _, name := range d.names[count:] {
			delete(d.ids, name)
		}
		d.names = d.names[:count]
		return err
	}
	d.size += int64(len(fresh))
	return nil
}

func (d *dictionary) id(name string) uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ids[cut(name)]
}
