package columns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Writer writes records. Nothing it writes into new slots is seen before
// Publish; records that it changes in place are seen as they are written.
type Writer struct {
	columns *Columns
	blocks  []*Block        // their Slots include what is not published yet
	names   [kinds]*os.File // nil: nothing was added yet
	touched map[*Block]bool // since the last Sync
}

func newWriter(c *Columns) *Writer {
	w := &Writer{columns: c, touched: make(map[*Block]bool)}
	for _, published := range c.View().Blocks {
		b := *published
		w.blocks = append(w.blocks, &b)
	}
	return w
}

// Placed is a record and the slot that it had before.
type Placed struct {
	Record
	Slot     Slot
	IsNew    bool   // it has no slot yet
	Checksum uint32 // of everything that is written of it; set by Put

	fresh bool // nothing of it has been written yet
}

// Put writes records, each photo once, and sets the Slot of each: where it
// was, or a new one when it had none or lies in a block of other picture words,
// which it leaves.
func (w *Writer) Put(records []Placed) error {
	if err := w.addNames(records); err != nil {
		return err
	}
	var left []Slot
	inBlock := make(map[*Block][]*Placed)
	var blocks []*Block
	for i := range records {
		r := &records[i]
		if !r.IsNew && !w.fits(r) {
			left = append(left, r.Slot)
			r.IsNew = true
		}
		if r.IsNew {
			block, err := w.open(BlockState{Model: r.Model, Words: len(r.Words)})
			if err != nil {
				return err
			}
			r.Slot = Slot(block.Number*BlockSize + block.Slots)
			block.Slots++
			r.IsNew, r.fresh = false, true
		}
		r.Checksum = r.checksum(&w.columns.names)
		block := w.blocks[r.Slot.block()]
		if inBlock[block] == nil {
			blocks = append(blocks, block)
		}
		inBlock[block] = append(inBlock[block], r)
	}
	for _, b := range blocks {
		if err := w.write(b, inBlock[b]); err != nil {
			return err
		}
	}
	return w.Remove(left)
}

// fits reports whether a record may stay where it is.
func (w *Writer) fits(r *Placed) bool {
	n := r.Slot.block()
	return n < len(w.blocks) && r.Slot.place() < w.blocks[n].Slots &&
		w.blocks[n].Model == r.Model && w.blocks[n].Words == len(r.Words)
}

// open returns the last block of these picture words, or a new one if it is
// full.
func (w *Writer) open(want BlockState) (*Block, error) {
	for _, b := range slices.Backward(w.blocks) {
		if b.Model == want.Model && b.Words == want.Words {
			if b.Slots < BlockSize {
				return b, nil
			}
			break
		}
	}
	number := len(w.blocks)
	block, err := openBlock(w.columns.blockPath(number), number, want, false)
	if err != nil {
		return nil, fmt.Errorf("a new block of the search index: %w", err)
	}
	w.blocks = append(w.blocks, block)
	return block, nil
}

func (w *Writer) addNames(records []Placed) error {
	var names [kinds]map[string]bool
	for kind := range names {
		names[kind] = make(map[string]bool)
	}
	for i := range records {
		r := &records[i]
		names[Cameras][r.Camera], names[Lenses][r.Lens], names[Folders][r.Folder] = true, true, true
	}
	for kind, d := range w.columns.names {
		if w.names[kind] == nil {
			file, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				return err
			}
			w.names[kind] = file
		}
		if err := d.add(w.names[kind], names[kind]); err != nil {
			return err
		}
	}
	return nil
}

// write writes records of one block, column by column: slots that follow each
// other in one go.
func (w *Writer) write(b *Block, records []*Placed) error {
	w.touched[b] = true
	slices.SortFunc(records, func(x, y *Placed) int { return int(x.Slot) - int(y.Slot) })
	for len(records) > 0 {
		n := 1
		for n < len(records) && records[n].Slot == records[n-1].Slot+1 && records[n].fresh == records[0].fresh {
			n++
		}
		if err := w.writeRun(b, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (w *Writer) writeRun(b *Block, run []*Placed) error {
	place, fresh := int64(run[0].Slot.place()), run[0].fresh
	value := make([]byte, 0, len(run)*int(valueSize[factPhoto]))
	// The flags come last: they say that there is a photo.
	for f := facts - 1; f >= 0; f-- {
		value = value[:0]
		for _, r := range run {
			value = r.appendFact(value, f, &w.columns.names)
		}
		if err := b.put(factOffset[f]+place*valueSize[f], value, fresh); err != nil {
			return err
		}
	}
	for i := range b.Words {
		value = value[:0]
		for _, r := range run {
			value = append(value, r.Words[i])
		}
		if err := b.put(factOffset[facts]+int64(i)*BlockSize+place, value, fresh); err != nil {
			return err
		}
	}
	return nil
}

// put writes bytes that differ from what is there: an edited caption changes
// a few of 1,500 columns. What is there is not looked at where nothing counts
// yet, so that building an index does not fill the memory with its pages. The
// map is only read, so that readers of it in this process and the writer never
// race.
func (b *Block) put(offset int64, value []byte, fresh bool) error {
	if !fresh && bytes.Equal(b.data[offset:offset+int64(len(value))], value) {
		return nil
	}
	_, err := b.file.WriteAt(value, offset)
	return err
}

// Remove empties slots. They are not used again before the index is rebuilt.
func (w *Writer) Remove(slots []Slot) error {
	for _, slot := range slots {
		if slot.block() >= len(w.blocks) {
			return damaged(w.columns.dir, "there is no slot %d", slot)
		}
		b := w.blocks[slot.block()]
		w.touched[b] = true
		if err := b.put(factOffset[factFlags]+int64(slot.place()), []byte{0}, false); err != nil {
			return err
		}
	}
	return nil
}

// Sync makes everything written so far durable. It comes before the commit of
// the State.
func (w *Writer) Sync() error {
	var errs []error
	for b := range w.touched {
		errs = append(errs, b.file.Sync())
	}
	for _, file := range w.names {
		if file != nil {
			errs = append(errs, file.Sync())
		}
	}
	if folder, err := os.Open(filepath.Clean(w.columns.dir)); err == nil {
		errs = append(errs, folder.Sync(), folder.Close())
	}
	err := errors.Join(errs...)
	if err == nil {
		clear(w.touched)
	}
	return err
}

// State is what to commit.
func (w *Writer) State() State {
	var state State
	for kind, d := range w.columns.names {
		state.Names[kind] = d.size
	}
	for _, b := range w.blocks {
		state.Blocks = append(state.Blocks, b.BlockState)
	}
	return state
}

// Publish shows readers what has been committed.
func (w *Writer) Publish() {
	view := &View{names: w.columns.names}
	for _, b := range w.blocks {
		published := *b
		view.Blocks = append(view.Blocks, &published)
	}
	w.columns.view.Store(view)
}
