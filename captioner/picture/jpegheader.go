package picture

import (
	"bytes"
	"encoding/binary"
)

// jpegFile is the structure of a JPEG file: its frame and where its scans
// begin and end. It is read without decoding anything.
type jpegFile struct {
	size        Size
	components  []jpegComponent
	progressive bool
	unsupported string // what makes the frame one that jpegn cannot decode
	interval    int    // of restart markers, in units of blocks; 0: there are none
	scans       []jpegScan
	ended       bool // an end-of-image marker was found
	quantizers  []section
}

type jpegComponent struct {
	id           byte
	across, down int // sampling factors
}

// section is a stretch of the file's bytes.
type section struct{ start, end int }

// jpegScan is one pass over the picture.
type jpegScan struct {
	components     []int
	first, last    int  // coefficients, in zigzag order
	refines        bool // adds a bit to what earlier scans brought
	data           section
	strays         []int // where bytes in the data look like markers and are not
	properlyClosed bool  // by a marker that may stand there
}

// JPEG markers, the byte after 0xFF.
const (
	markerTEM  = 0x01
	markerSOF0 = 0xC0
	markerSOF2 = 0xC2
	markerDHT  = 0xC4
	markerSOFA = 0xC9
	markerDAC  = 0xCC
	markerRST0 = 0xD0
	markerRST7 = 0xD7
	markerSOI  = 0xD8
	markerEOI  = 0xD9
	markerSOS  = 0xDA
	markerDQT  = 0xDB
	markerDNL  = 0xDC
	markerDRI  = 0xDD
	markerAPP0 = 0xE0
	markerCOM  = 0xFE
)

// parseJPEG walks over the segments of a file until its end-of-image marker,
// or the end of its bytes. Thumbnails lie inside segments and further pictures
// (MPF, motion photos) after the marker, so neither is seen.
func parseJPEG(data []byte) jpegFile {
	var f jpegFile
	pos := 2
	for {
		marker, after, ok := nextMarker(data, pos)
		if !ok {
			return f
		}
		pos = after
		switch {
		case marker == markerEOI:
			f.ended = true
			return f
		case marker <= markerTEM || marker >= markerRST0 && marker <= markerSOI:
			continue // these have no length
		}
		segment, end := segmentAt(data, pos)
		if segment == nil {
			return f
		}
		switch marker {
		case markerDRI:
			if len(segment) >= 2 {
				f.interval = int(binary.BigEndian.Uint16(segment))
			}
		case markerDQT:
			f.quantizers = append(f.quantizers, section{pos + 2, end})
		case markerSOS:
			scan, closer := f.parseScan(segment, data, end)
			f.scans = append(f.scans, scan)
			end = scan.data.end
			if !scan.properlyClosed && f.multiScan() || closer == 0 {
				return f
			}
		default:
			if isFrame(marker) && f.components == nil {
				f.parseFrame(marker, segment)
			}
		}
		pos = end
	}
}

// nextMarker finds the next marker at or after pos, over stray and fill bytes.
func nextMarker(data []byte, pos int) (marker byte, after int, ok bool) {
	for pos < len(data) {
		i := bytes.IndexByte(data[pos:], 0xFF)
		if i < 0 {
			return 0, 0, false
		}
		pos += i
		for pos < len(data) && data[pos] == 0xFF {
			pos++
		}
		if pos < len(data) && data[pos] != 0 {
			return data[pos], pos + 1, true
		}
	}
	return 0, 0, false
}

// segmentAt returns the contents of the segment whose length is at pos, and
// where it ends. Nil when the file ends before it does.
func segmentAt(data []byte, pos int) (contents []byte, end int) {
	if pos+2 > len(data) {
		return nil, 0
	}
	end = pos + max(int(binary.BigEndian.Uint16(data[pos:])), 2)
	if end > len(data) {
		return nil, 0
	}
	return data[pos+2 : end : end], end
}

func isFrame(marker byte) bool {
	return marker >= markerSOF0 && marker <= 0xCF &&
		marker != markerDHT && marker != 0xC8 && marker != markerDAC
}

func (f *jpegFile) parseFrame(marker byte, segment []byte) {
	if len(segment) < 6 || len(segment) < 6+3*int(segment[5]) {
		return
	}
	f.progressive = marker == markerSOF2
	switch {
	case marker > markerSOF2 && marker < markerSOFA:
		f.unsupported = "lossless or hierarchical JPEG"
	case marker >= markerSOFA:
		f.unsupported = "arithmetic-coded JPEG"
	case segment[0] != 8:
		f.unsupported = "JPEG with more than 8 bits a sample"
	}
	f.size = Size{
		Width:  int(binary.BigEndian.Uint16(segment[3:])),
		Height: int(binary.BigEndian.Uint16(segment[1:])),
	}
	for c := segment[6 : 6+3*int(segment[5])]; len(c) > 0; c = c[3:] {
		f.components = append(f.components, jpegComponent{
			id: c[0], across: int(c[1] >> 4), down: int(c[1] & 15),
		})
	}
	if len(f.components) == 1 {
		// The factors of a lone component have no meaning.
		f.components[0].across, f.components[0].down = 1, 1
	}
}

// parseScan reads a scan's header and finds where its data ends. The closer
// is the marker that ends it, 0 at the end of the file.
func (f *jpegFile) parseScan(segment, data []byte, start int) (scan jpegScan, closer byte) {
	if len(segment) >= 4 && len(segment) >= 4+2*int(segment[0]) {
		n := int(segment[0])
		for i := range n {
			for c := range f.components {
				if f.components[c].id == segment[1+2*i] {
					scan.components = append(scan.components, c)
				}
			}
		}
		scan.first, scan.last = int(segment[1+2*n]), int(segment[2+2*n])
		scan.refines = segment[3+2*n]>>4 != 0
	}
	scan.data.start = start
	restarts := 0
	scan.data.end, restarts, closer = endOfScan(data, start, f.interval > 0)
	for f.interval > 0 && closer != 0 && !f.ends(scan, closer, restarts) {
		// The data is damaged here, but the decoder can go on at the next
		// restart marker.
		scan.strays = append(scan.strays, scan.data.end+1)
		more := 0
		scan.data.end, more, closer = endOfScan(data, scan.data.end+2, true)
		restarts += more
	}
	scan.properlyClosed = mayFollowScan(closer)
	return scan, closer
}

// ends tells whether a marker ends a scan or was made by damage. Enough
// restart markers must have come before it; damage may have cost a few.
func (f *jpegFile) ends(scan jpegScan, closer byte, restarts int) bool {
	if !mayFollowScan(closer) {
		return false
	}
	if f.progressive || len(scan.components) < len(f.components) {
		return true
	}
	columns, rows := f.units()
	expected := (columns*rows - 1) / f.interval
	return restarts >= expected*9/10
}

func mayFollowScan(marker byte) bool {
	return marker >= markerEOI && marker <= markerDRI || marker == markerDHT ||
		marker >= markerAPP0 && marker <= markerAPP0+15 || marker == markerCOM
}

// endOfScan finds the marker that ends entropy-coded data: in it a byte 0xFF
// is followed by 0, or by a restart marker where those were announced.
func endOfScan(data []byte, pos int, restartable bool) (end, restarts int, closer byte) {
	for {
		i := bytes.IndexByte(data[pos:], 0xFF)
		if i < 0 {
			return len(data), restarts, 0
		}
		end = pos + i
		for pos = end; pos < len(data) && data[pos] == 0xFF; pos++ {
		}
		if pos == len(data) {
			return end, restarts, 0
		}
		marker := data[pos]
		isRestart := restartable && marker >= markerRST0 && marker <= markerRST7
		switch {
		case isRestart:
			restarts++
		case marker != 0:
			return end, restarts, marker
		}
	}
}

// multiScan says that the picture comes in several passes, so that a file
// which was cut off may hold all of it in less detail.
func (f *jpegFile) multiScan() bool {
	return f.progressive || len(f.scans) > 0 && len(f.scans[0].components) < len(f.components)
}

// blockHeight is the height in pixels of a row of blocks that are coded together.
func (f *jpegFile) blockHeight() int {
	down := 1
	for _, c := range f.components {
		down = max(down, c.down)
	}
	return 8 * down
}

// units counts the units of blocks that are coded together.
func (f *jpegFile) units() (columns, rows int) {
	across, down := 1, 1
	for _, c := range f.components {
		across, down = max(across, c.across), max(down, c.down)
	}
	return (f.size.Width + 8*across - 1) / (8 * across), (f.size.Height + 8*down - 1) / (8 * down)
}

// samples counts those of all components at full size, in whole blocks.
func (f *jpegFile) samples() int64 {
	columns, rows := f.units()
	n := int64(0)
	for _, c := range f.components {
		n += int64(columns) * int64(rows) * int64(c.across*c.down) * 64
	}
	return n
}
