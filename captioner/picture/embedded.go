package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"

	"github.com/bep/imagemeta"

	"shoebox/captioner/picture/ifd"
	"shoebox/captioner/picture/xmp"
)

// embedded is where a file keeps what it says about its picture.
type embedded struct {
	tags []block
	xmp  []byte // a packet; nil: none
	// orientation, unless 0, counts instead of the one among the tags.
	orientation orientation
}

// block holds EXIF tags, and IPTC's where the format puts them together.
type block struct {
	data   io.ReadSeeker
	format imagemeta.ImageFormat
	// root says which directory the first one in the block is.
	root string
}

func embeddedInJPEG(data []byte) embedded {
	return embedded{
		tags: []block{{bytes.NewReader(data), imagemeta.JPEG, mainDirectory}},
		xmp:  jpegXMP(data),
	}
}

// jpegXMP finds the packet among the segments before the picture. What Adobe
// keeps in further segments (the history of edits) is left out.
func jpegXMP(data []byte) []byte {
	signature := []byte("http://ns.adobe.com/xap/1.0/\x00")
	for pos := 2; pos+4 <= len(data) && data[pos] == 0xFF; {
		if data[pos+1] == 0xFF { // filling
			pos++
			continue
		}
		marker, length := data[pos+1], int(binary.BigEndian.Uint16(data[pos+2:]))
		if marker == markerSOS || length < 2 {
			break
		}
		segment := data[pos+4 : min(max(pos+2+length, pos+4), len(data))]
		if packet, ok := bytes.CutPrefix(segment, signature); ok && marker == 0xE1 {
			return packet
		}
		pos += 2 + length
	}
	return nil
}

func embeddedInPNG(data []byte) embedded {
	return embedded{
		tags: []block{{bytes.NewReader(data), imagemeta.PNG, mainDirectory}},
		xmp:  pngXMP(data),
	}
}

// pngXMP finds the packet among the texts of a PNG file.
func pngXMP(data []byte) []byte {
	for pos := int64(8); pos+8 <= int64(len(data)); {
		length := int64(binary.BigEndian.Uint32(data[pos:]))
		body := data[pos+8 : min(pos+8+length, int64(len(data)))]
		if text, ok := bytes.CutPrefix(body, []byte("XML:com.adobe.xmp\x00")); ok && string(data[pos+4:pos+8]) == "iTXt" {
			return internationalText(text)
		}
		pos += 12 + length
	}
	return nil
}

// internationalText returns the text of an iTXt chunk from behind its keyword:
// whether it is compressed and how, the language, and the keyword in it.
func internationalText(chunk []byte) []byte {
	if len(chunk) < 2 {
		return nil
	}
	compressed := chunk[0] == 1
	_, rest, _ := bytes.Cut(chunk[2:], []byte{0})
	_, text, ok := bytes.Cut(rest, []byte{0})
	if !ok || !compressed {
		return text
	}
	unpacked, err := zlib.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	text, _ = io.ReadAll(io.LimitReader(unpacked, xmp.MaxSize)) // what there is counts
	return text
}

// embeddedInWebP: imagemeta forgets that chunks of an odd length are padded, and
// misses what comes after one.
func embeddedInWebP(data []byte) embedded {
	exif := bytes.TrimPrefix(webpChunk(data, "EXIF"), []byte("Exif\x00\x00"))
	return embedded{
		tags: []block{{bytes.NewReader(exif), imagemeta.TIFF, mainDirectory}},
		xmp:  webpChunk(data, "XMP "),
	}
}

func embeddedInTIFF(data []byte) embedded {
	e := embedded{tags: []block{{bytes.NewReader(data), imagemeta.TIFF, mainDirectory}}}
	if file, first, ok := ifd.Open(data); ok {
		e.xmp = file.Directory(first).Bytes(tagXMP)
	}
	return e
}

// standardTIFF reads a file of TIFF's structure as one of TIFF: Olympus and
// Panasonic put numbers of their own where others have 42.
func standardTIFF(data []byte) io.ReadSeeker {
	r := &tiffReader{Reader: bytes.NewReader(data)}
	copy(r.head[:], "II*\x00")
	if bytes.HasPrefix(data, []byte("MM")) {
		copy(r.head[:], "MM\x00*")
	}
	return r
}

type tiffReader struct {
	*bytes.Reader
	head [4]byte
}

func (r *tiffReader) Read(p []byte) (int, error) {
	at := r.Size() - int64(r.Len())
	n, err := r.Reader.Read(p)
	if at < int64(len(r.head)) {
		copy(p[:n], r.head[at:])
	}
	return n, err
}
