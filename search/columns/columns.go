// Package columns keeps what a search compares for every photo, column by
// column, in memory-mapped files: one byte of evidence for each picture word,
// and facts of fixed width such as the date and the place. A query of three
// words over a million photos reads three million bytes and nothing else.
//
// Photos lie in blocks of BlockSize slots. All photos of a block were looked
// at by models with the same picture words, or by none. A photo keeps its slot
// until it leaves or moves to another block.
//
// The package never decides what is durable: whoever writes keeps the State
// beside its own cursor, in one transaction. A writer that is killed leaves
// slots written that no State counts yet; the next one writes them again. It
// knows nothing of queries, texts or what the evidence means.
package columns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// BlockSize is how many slots a block has: the columns of a block fit into the
// second-level cache of a processor, and its file stays below 120 MB.
const BlockSize = 1 << 16

// ErrDamaged means that the files do not hold what the State says.
var ErrDamaged = errors.New("the columns are damaged")

// State says which slots are in use. It is small and kept by the writer of the
// columns.
type State struct {
	Blocks []BlockState `json:"blocks"`
	// Names is how many bytes of each dictionary are in use.
	Names [kinds]int64 `json:"names"`
}

// BlockState is how a block is used.
type BlockState struct {
	// Model names the picture words of the block's photos; empty: none.
	Model string `json:"model"`
	Words int    `json:"words"` // how many there are
	Slots int    `json:"slots"` // in use, from the first on
}

// Slot is where a photo lies: block * BlockSize + its place in the block.
type Slot uint32

func (s Slot) block() int { return int(s) / BlockSize }
func (s Slot) place() int { return int(s) % BlockSize }

// Columns are the open files of a folder. One goroutine may write (Writer)
// while any number read (View).
type Columns struct {
	dir    string
	view   atomic.Pointer[View]
	names  dictionaries
	writer *Writer // nil: opened for reading
}

// View is what was committed at one moment. Slots may be written anew later:
// a reader then sees some columns of a photo before and some after the change.
type View struct {
	Blocks []*Block
	names  dictionaries

	pairing sync.Once
	paired  []Bits // by block; nil: there are no raw files
}

// Open opens the columns in dir as the State of the last commit has them; the
// zero State makes new ones. The slots behind it are free.
func Open(dir string, state State, readOnly bool) (*Columns, error) {
	if !readOnly {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	c := &Columns{dir: dir}
	for kind, name := range kindNames {
		c.names[kind] = &dictionary{path: filepath.Join(dir, name), size: state.Names[kind]}
	}
	view := &View{names: c.names}
	c.view.Store(view)
	for number, b := range state.Blocks {
		block, err := openBlock(c.blockPath(number), number, b, readOnly)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		view.Blocks = append(view.Blocks, block)
	}
	if !readOnly {
		c.writer = newWriter(c)
	}
	return c, nil
}

func (c *Columns) blockPath(number int) string {
	return filepath.Join(c.dir, fmt.Sprintf("block-%05d", number))
}

// View returns what is committed now. It is valid until Close.
func (c *Columns) View() *View { return c.view.Load() }

// Writer returns the only writer, nil if the columns were opened for reading.
func (c *Columns) Writer() *Writer { return c.writer }

// Names returns the names of a kind by their number; 0 is "".
func (v *View) Names(kind Kind) ([]string, error) { return v.names[kind].all() }

// At returns the block of a slot and the place in it; nil: it is not in use.
func (v *View) At(slot Slot) (*Block, int) {
	if n := slot.block(); n < len(v.Blocks) && slot.place() < v.Blocks[n].Slots {
		return v.Blocks[n], slot.place()
	}
	return nil, 0
}

// Close closes the files; no View may be used any more.
func (c *Columns) Close() error {
	var errs []error
	blocks := c.View().Blocks
	if c.writer != nil {
		blocks = c.writer.blocks
		for _, file := range c.writer.names {
			if file != nil {
				errs = append(errs, file.Close())
			}
		}
	}
	for _, b := range blocks {
		errs = append(errs, b.close())
	}
	return errors.Join(errs...)
}

// damaged names the file and what is wrong with it.
func damaged(path, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrDamaged, path, fmt.Sprintf(format, args...))
}
