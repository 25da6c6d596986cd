package columns

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"shoebox/storage"
)

// A block's file is a page of header, then the columns, each of BlockSize
// values, first the facts and then the words; numbers are little-endian. The
// file has its full length from the beginning and holes where nothing is.
const (
	headerSize   = 4096
	blockMagic   = "shoebox columns 1\n"
	headerModel  = 64 // where the model's name stands, up to a zero byte
	headerWords  = 32 // where the number of words stands, 4 bytes
	longestModel = 256
)

// fact is a column of facts.
type fact int

// The columns of facts, in the order of the file.
const (
	factFlags fact = iota
	factPhoto
	factTaken
	factName
	factShot
	factCamera
	factLens
	factFolder
	factLat
	factLon
	factISO
	factExposure
	factFNumber
	factFocal
	factWidth
	factHeight
	facts // how many
)

// valueSize is the size of each column's values in bytes.
var valueSize = [facts]int64{
	factFlags: 1, factPhoto: 32, factTaken: 8, factName: 32, factShot: 8,
	factCamera: 4, factLens: 4, factFolder: 4, factLat: 4, factLon: 4,
	factISO: 4, factExposure: 4, factFNumber: 4, factFocal: 4, factWidth: 4, factHeight: 4,
}

// factOffset is where each column begins in the file; the last is where the
// words begin.
var factOffset = func() (offsets [facts + 1]int64) {
	at := int64(headerSize)
	for f, size := range valueSize {
		offsets[f] = at
		at += size * BlockSize
	}
	offsets[facts] = at
	return offsets
}()

func blockFileSize(words int) int64 { return factOffset[facts] + int64(words)*BlockSize }

// Block is BlockSize slots, of which the first Slots are in use. Its columns
// are as long as Slots and change while a writer writes. Reading one whose file
// was cut off faults (debug.SetPanicOnFault).
type Block struct {
	Number int
	BlockState
	file *os.File
	data []byte
}

// openBlock opens or, if none of it is in use and it may be written, makes a
// block.
func openBlock(path string, number int, state BlockState, readOnly bool) (*Block, error) {
	flags := os.O_RDWR
	if readOnly {
		flags = os.O_RDONLY
	}
	if state.Slots < 0 || state.Slots > BlockSize || state.Words < 0 {
		return nil, damaged(path, "%d slots and %d words", state.Slots, state.Words)
	}
	if state.Slots == 0 && !readOnly {
		if err := createBlock(path, state); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, damaged(path, "%v", err)
	}
	b := &Block{Number: number, BlockState: state, file: file}
	if err := b.mapFile(path); err != nil {
		_ = file.Close()
		return nil, err
	}
	return b, nil
}

// createBlock writes an empty block over whatever a killed writer left.
func createBlock(path string, state BlockState) error {
	if len(state.Model) > longestModel {
		return fmt.Errorf("the model's name has %d bytes, at most %d fit", len(state.Model), longestModel)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	header := make([]byte, headerSize)
	copy(header, blockMagic)
	binary.LittleEndian.PutUint32(header[headerWords:], uint32(state.Words))
	copy(header[headerModel:], state.Model)
	if _, err := file.Write(header); err != nil {
		return err
	}
	return file.Truncate(blockFileSize(state.Words))
}

func (b *Block) mapFile(path string) error {
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	size := blockFileSize(b.Words)
	if info.Size() != size {
		return damaged(path, "%d bytes, %d expected", info.Size(), size)
	}
	b.data, err = unix.Mmap(int(b.file.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping %s: %w", path, err)
	}
	words := binary.LittleEndian.Uint32(b.data[headerWords:])
	model := string(b.data[headerModel:][:len(b.Model)+1])
	if string(b.data[:len(blockMagic)]) != blockMagic || int(words) != b.Words || model != b.Model+"\x00" {
		return damaged(path, "its header is of another block")
	}
	return nil
}

func (b *Block) close() error {
	err := unix.Munmap(b.data)
	b.data = nil
	if closing := b.file.Close(); err == nil {
		err = closing
	}
	return err
}

// Word is the column of picture word i: the evidence for it in each photo.
func (b *Block) Word(i int) []byte {
	from := factOffset[facts] + int64(i)*BlockSize
	return b.data[from : from+int64(b.Slots)]
}

// fact is a column of facts as bytes.
func (b *Block) fact(f fact) []byte {
	from := factOffset[f]
	return b.data[from : from+valueSize[f]*int64(b.Slots)]
}

// values is a column of facts as numbers, as the machine has them: shoebox
// runs on little-endian ones only, and every column begins at a page.
func values[T uint8 | int32 | uint32 | int64 | uint64 | float32 | [4]uint64 | storage.PhotoID](b *Block, f fact) []T {
	column := b.fact(f)
	if len(column) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&column[0])), b.Slots)
}

// Flags are the Flag bits of each photo; 0: there is no photo in the slot.
func (b *Block) Flags() []uint8 { return values[uint8](b, factFlags) }

// Photos are the identities.
func (b *Block) Photos() []storage.PhotoID { return values[storage.PhotoID](b, factPhoto) }

// Taken are the moments by the camera's clock, seconds since 1970, or NoTime.
func (b *Block) Taken() []int64 { return values[int64](b, factTaken) }

// SortNames are the keys by which photos are sorted by name (SortName).
func (b *Block) SortNames() [][4]uint64 { return values[[4]uint64](b, factName) }

// Shots are the keys of what was released in one press of the button (Shot).
func (b *Block) Shots() []uint64 { return values[uint64](b, factShot) }

// Cameras are numbers of View.Names; 0: unknown.
func (b *Block) Cameras() []uint32 { return values[uint32](b, factCamera) }

// Lenses are numbers of View.Names.
func (b *Block) Lenses() []uint32 { return values[uint32](b, factLens) }

// Folders are numbers of View.Names.
func (b *Block) Folders() []uint32 { return values[uint32](b, factFolder) }

// Lats are degrees times PlaceScale; of no meaning without HasPlace.
func (b *Block) Lats() []int32 { return values[int32](b, factLat) }

// Lons are like Lats.
func (b *Block) Lons() []int32 { return values[int32](b, factLon) }

// ISOs are film speeds; 0: unknown.
func (b *Block) ISOs() []uint32 { return values[uint32](b, factISO) }

// Exposures are seconds; 0: unknown.
func (b *Block) Exposures() []float32 { return values[float32](b, factExposure) }

// FNumbers are apertures; 0: unknown.
func (b *Block) FNumbers() []float32 { return values[float32](b, factFNumber) }

// FocalLengths are millimetres; 0: unknown.
func (b *Block) FocalLengths() []float32 { return values[float32](b, factFocal) }

// Widths are those of the upright pictures in pixels.
func (b *Block) Widths() []uint32 { return values[uint32](b, factWidth) }

// Heights are like Widths.
func (b *Block) Heights() []uint32 { return values[uint32](b, factHeight) }
