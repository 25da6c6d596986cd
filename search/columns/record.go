package columns

import (
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
	"io"
	"math"
	"path/filepath"
	"strings"

	"shoebox/storage"
)

// Flag is a fact that holds for a photo or not.
type Flag = uint8

// The flags. Present is set for every photo, so that flags are never 0.
const (
	Present Flag = 1 << iota
	HasPlace
	Edited // a person wrote the caption
	HasTitle
	HasKeywords
	HasPeople
	HasCaption
	// Raw is a sensor's data with a preview. It is the highest bit, so that
	// Bits.OrAtLeast finds it.
	Raw
)

// NoTime stands for an unknown moment.
const NoTime = math.MinInt64

// PlaceScale is the unit of latitudes and longitudes: a centimetre at the
// equator.
const PlaceScale = 1e7

// Record is what the columns keep of a photo.
type Record struct {
	Photo                              storage.PhotoID
	Flags                              Flag
	Taken                              int64 // seconds since 1970 by the camera's clock, or NoTime
	FileName                           string
	Camera, Lens, Folder               string
	Lat, Lon                           float64 // degrees, with HasPlace
	ISO                                int
	ExposureTime, FNumber, FocalLength float64 // seconds, -, millimetres
	Width, Height                      int
	// Model names the picture words; Words has a byte for each of them.
	Model string
	Words []byte
}

// SortName is the key by which photos are sorted by name: the first 32 bytes
// of the file's name in lower case, which cameras' names seldom exceed.
func SortName(fileName string) (key [4]uint64) {
	var prefix [32]byte
	copy(prefix[:], strings.ToLower(fileName))
	for i := range key {
		key[i] = binary.BigEndian.Uint64(prefix[8*i:])
	}
	return key
}

// Shot is the key that files of one folder share whose names differ in the
// ending only: a camera's raw file and the JPEG beside it.
func Shot(folder, fileName string) uint64 {
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, folder+"/"+strings.TrimSuffix(fileName, filepath.Ext(fileName)))
	return sum.Sum64()
}

// checksum is of everything that is written of a record.
func (r *Record) checksum(names *dictionaries) uint32 {
	var written []byte
	for f := range facts {
		written = r.appendFact(written, f, names)
	}
	return crc32.ChecksumIEEE(append(written, r.Words...))
}

// Checksum is of all columns of a photo, as Placed has it.
func (b *Block) Checksum(place int) uint32 {
	var written []byte
	for f := range facts {
		size := int(valueSize[f])
		written = append(written, b.fact(f)[place*size:][:size]...)
	}
	for i := range b.Words {
		written = append(written, b.Word(i)[place])
	}
	return crc32.ChecksumIEEE(written)
}

// appendFact appends a record's value for a column; names number its names.
func (r *Record) appendFact(to []byte, f fact, names *dictionaries) []byte {
	le := binary.LittleEndian
	float := func(x float64) []byte { return le.AppendUint32(to, math.Float32bits(float32(x))) }
	count := func(n int) []byte { return le.AppendUint32(to, uint32(max(0, min(n, math.MaxUint32)))) }
	switch f {
	case factFlags:
		return append(to, r.Flags|Present)
	case factPhoto:
		return append(to, r.Photo[:]...)
	case factTaken:
		return le.AppendUint64(to, uint64(r.Taken))
	case factName:
		for _, part := range SortName(r.FileName) {
			to = le.AppendUint64(to, part)
		}
		return to
	case factShot:
		return le.AppendUint64(to, Shot(r.Folder, r.FileName))
	case factCamera:
		return le.AppendUint32(to, names[Cameras].id(r.Camera))
	case factLens:
		return le.AppendUint32(to, names[Lenses].id(r.Lens))
	case factFolder:
		return le.AppendUint32(to, names[Folders].id(r.Folder))
	case factLat:
		return le.AppendUint32(to, uint32(int32(math.Round(r.Lat*PlaceScale))))
	case factLon:
		return le.AppendUint32(to, uint32(int32(math.Round(r.Lon*PlaceScale))))
	case factISO:
		return count(r.ISO)
	case factExposure:
		return float(r.ExposureTime)
	case factFNumber:
		return float(r.FNumber)
	case factFocal:
		return float(r.FocalLength)
	case factWidth:
		return count(r.Width)
	default:
		return count(r.Height)
	}
}
