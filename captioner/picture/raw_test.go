package picture_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"slices"
	"strings"
	"testing"

	"github.com/gen2brain/jpegn"

	"shoebox/captioner/picture"
)

// rawFile builds a raw file: directories, then whatever they point to.
type rawFile struct{ data []byte }

// add appends bytes and returns where they are.
func (r *rawFile) add(data []byte) uint32 {
	at := uint32(len(r.data))
	r.data = append(r.data, data...)
	return at
}

// directory appends one, followed by another of its chain or by none.
func (r *rawFile) directory(next uint32, tags ...tag) uint32 {
	at := uint32(len(r.data))
	r.data = appendDirectory(r.data, tags)
	binary.LittleEndian.PutUint32(r.data[at+2+12*uint32(len(tags)):], next)
	return at
}

// begin starts a file; finish says where its first directory is.
func begin(header string) *rawFile { return &rawFile{[]byte(header + "\x00\x00\x00\x00")} }

func (r *rawFile) finish(first uint32) []byte {
	binary.LittleEndian.PutUint32(r.data[4:], first)
	return r.data
}

func short(id uint16, v uint32) tag        { return tag{id: id, kind: 3, values: []uint32{v}} }
func long(id uint16, values ...uint32) tag { return tag{id: id, kind: 4, values: values} }

// rawParts are what raw files are made of here. The preview lies on its side:
// its left, red half belongs to the top.
type rawParts struct{ preview, thumbnail, sensor []byte }

func newRawParts(t testing.TB) rawParts {
	img := image.NewRGBA(image.Rect(0, 0, 1024, 640))
	for y := range 640 {
		for x := range 1024 {
			c := color.RGBA{R: 220, G: 20, B: 20, A: 255}
			if x >= 512 {
				c = color.RGBA{R: 20, G: 20, B: 220, A: 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	lossless := jpegHeader(6000, 4000, 0xC3, 14)
	return rawParts{
		preview:   encodeJPEG(t, img, jpegn.EncodeOptions{}),
		thumbnail: encodeJPEG(t, solid(160, 120, color.White), jpegn.EncodeOptions{}),
		sensor:    append(lossless, bytes.Repeat([]byte{0xFF, 0xD8, 0xFF, 0x51, 0xFF, 0x00}, 500)...),
	}
}

func camera(maker, model string) []tag {
	return []tag{text(0x010F, maker), text(0x0110, model), short(0x0112, 6)}
}

// rawFiles has a file of each format, built as cameras build them.
func rawFiles(t testing.TB) map[string][]byte { return rawFilesOf(newRawParts(t)) }

func rawFilesOf(p rawParts) map[string][]byte {
	length := func(b []byte) uint32 { return uint32(len(b)) }
	strip := func(r *rawFile, data []byte) []tag {
		return []tag{long(0x0111, r.add(data)), long(0x0117, length(data))}
	}
	jpeg := func(r *rawFile, data []byte) []tag {
		return []tag{long(0x0201, r.add(data)), long(0x0202, length(data))}
	}
	files := map[string][]byte{}

	cr2 := begin("II*\x00\x00\x00\x00\x00CR\x02\x00")
	sensor := cr2.directory(0, append([]tag{short(0x0103, 6)}, strip(cr2, p.sensor)...)...)
	small := cr2.directory(sensor, jpeg(cr2, p.thumbnail)...)
	preview := strip(cr2, p.preview)
	files["cr2"] = cr2.finish(cr2.directory(small, slices.Concat(camera("Canon", "Canon EOS 40D"), preview, details)...))

	nef := begin("II*\x00")
	subs := []uint32{nef.directory(0, jpeg(nef, p.preview)...), nef.directory(0, append(strip(nef, p.sensor), short(0x0106, 32803))...)}
	thumbnail := strip(nef, make([]byte, 160*120*3))
	files["nef"] = nef.finish(nef.directory(0, slices.Concat(camera("NIKON CORPORATION", "NIKON D90"), thumbnail, []tag{long(0x014A, subs...)}, details)...))

	arw := begin("II*\x00")
	subs = []uint32{arw.directory(0, append(strip(arw, p.sensor), short(0x0103, 32767))...)}
	small = arw.directory(0, jpeg(arw, p.thumbnail)...)
	preview = jpeg(arw, p.preview)
	files["arw"] = arw.finish(arw.directory(small, slices.Concat(camera("SONY", "ILCE-7M3"), preview, []tag{long(0x014A, subs...)}, details)...))

	dng := begin("II*\x00")
	subs = []uint32{
		dng.directory(0, append(strip(dng, p.sensor), short(0x0103, 7), short(0x0106, 32803))...),
		dng.directory(0, append(strip(dng, p.preview), short(0x0103, 7), short(0x0106, 6))...),
	}
	dngVersion := tag{id: 0xC612, kind: 4, values: []uint32{1}}
	files["dng"] = dng.finish(dng.directory(0, slices.Concat(camera("Apple", "iPhone 12 Pro"), []tag{long(0x014A, subs...), dngVersion}, details)...))

	pef := begin("II*\x00")
	large := pef.directory(0, jpeg(pef, p.preview)...)
	small = pef.directory(large, jpeg(pef, p.thumbnail)...)
	sensorStrip := append(strip(pef, p.sensor), short(0x0103, 65535))
	files["pef"] = pef.finish(pef.directory(small, slices.Concat(camera("PENTAX", "PENTAX K-5"), sensorStrip, details)...))

	orf := begin("IIRO") // its preview is among the maker's notes
	orf.add(p.preview)
	small = orf.directory(0, jpeg(orf, p.thumbnail)...)
	files["orf"] = orf.finish(orf.directory(small, slices.Concat(camera("OLYMPUS IMAGING CORP.", "E-P3"), strip(orf, p.sensor), details)...))

	rw2 := begin("IIU\x00")
	at := rw2.add(p.preview)
	first := rw2.directory(0, slices.Concat([]tag{{id: 0x002E, kind: 7, values: make([]uint32, length(p.preview))}}, camera("Panasonic", "DMC-GX8"), details)...)
	binary.LittleEndian.PutUint32(rw2.data[first+2+8:], at)
	files["rw2"] = rw2.finish(first)

	files["raf"] = rafFile(p, tiffBytes(slices.Concat(camera("FUJIFILM", "X-T2"), details)...))
	files["cr3"] = cr3File(p)
	return files
}

// rafFile: all of the camera's tags are in the preview.
func rafFile(p rawParts, exif []byte) []byte {
	preview := withSegment(p.preview, 0xE1, append([]byte("Exif\x00\x00"), exif...))
	data := append([]byte("FUJIFILMCCD-RAW 0201FF383501X-T2"), make([]byte, 148-32)...)
	binary.BigEndian.PutUint32(data[84:], uint32(len(data)))
	binary.BigEndian.PutUint32(data[88:], uint32(len(preview)))
	return slices.Concat(data, preview, p.sensor)
}

func box(name string, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)+8))
	return append(append(out, name...), body...)
}

func numbers(values ...uint32) (out []byte) {
	for _, v := range values {
		out = binary.BigEndian.AppendUint32(out, v)
	}
	return out
}

// cr3File: the camera's tags are in boxes, the pictures are the tracks' samples.
func cr3File(p rawParts) []byte {
	exif, place := details[0].sub, details[1].sub
	track := func(offset, size int) []byte {
		sizes := box("stsz", numbers(0, uint32(size), 1))
		if offset%2 == 0 { // as a list of one
			sizes = box("stsz", numbers(0, 0, 1, uint32(size)))
		}
		return box("trak", box("mdia", box("minf", box("stbl", sizes, box("co64", numbers(0, 1, 0, uint32(offset)))))))
	}
	build := func(start int) []byte {
		canon := box("uuid", []byte("\x85\xC0\xB6\x87\x82\x0F\x11\xE0\x81\x11\xF4\xCE\x46\x2B\x6A\x48"),
			box("CMT1", tiffBytes(camera("Canon", "Canon EOS R5")...)),
			box("CMT2", tiffBytes(exif...)), box("CMT4", tiffBytes(place...)), box("THMB", p.thumbnail))
		head := slices.Concat(box("ftyp", []byte("crx \x00\x00\x00\x01crx isom")),
			box("moov", canon, track(start, len(p.preview)), track(start+len(p.preview), len(p.sensor))))
		return head
	}
	head := build(0)
	return slices.Concat(build(len(head)+8), box("mdat", p.preview, p.sensor))
}

func TestRawFilesShowTheirLargestPreviewUpright(t *testing.T) {
	cameras := map[string]string{
		"cr2": "Canon EOS 40D", "cr3": "Canon EOS R5", "nef": "NIKON D90", "arw": "SONY ILCE-7M3", "dng": "Apple iPhone 12 Pro",
		"pef": "PENTAX K-5", "orf": "OLYMPUS E-P3", "rw2": "Panasonic DMC-GX8", "raf": "FUJIFILM X-T2",
	}
	files := rawFiles(t)
	if len(files) != len(cameras) {
		t.Fatalf("%d files for %d formats", len(files), len(cameras))
	}
	for format, data := range files {
		t.Run(format, func(t *testing.T) {
			if !picture.IsPictureName("IMG_1." + format) {
				t.Error("a scan would not take it up")
			}
			p, err := picture.Decode(data, picture.Size{Width: 8, Height: 8})
			if err != nil {
				t.Fatal(err)
			}
			if p.Format != format || p.Width != 640 || p.Height != 1024 || p.Damaged {
				t.Errorf("format %q, %dx%d, damaged %v", p.Format, p.Width, p.Height, p.Damaged)
			}
			top, bottom := p.Pixels[:3], p.Pixels[len(p.Pixels)-3:]
			if top[0] < 200 || top[2] > 50 || bottom[0] > 50 || bottom[2] < 200 {
				t.Errorf("top %v, bottom %v; want red above blue", top, bottom)
			}
			m := p.Metadata
			if m.Camera != cameras[format] || m.Taken.String() != "2008-05-30T15:56:01-03:30" || m.Lens != "EF-S 18-135mm" {
				t.Errorf("camera %q, taken %s, lens %q", m.Camera, m.Taken, m.Lens)
			}
			if m.ISO != 100 || m.FNumber != 7.1 || m.ExposureTime != 1.0/160 || m.FocalLength != 135 {
				t.Errorf("ISO %d, f/%v, %v s, %v mm", m.ISO, m.FNumber, m.ExposureTime, m.FocalLength)
			}
			if m.Location == nil || m.Location.Lat < 48.8 || m.Location.Lat > 48.9 {
				t.Errorf("location %v", m.Location)
			}
		})
	}
}

func TestARawFileThatIsCutOffDoesNotShowItsThumbnail(t *testing.T) {
	p := newRawParts(t)
	files := rawFiles(t)
	beforePreview := func(data []byte) []byte {
		before, _, _ := bytes.Cut(data, p.preview[20:])
		return before
	}
	directory := tiffBytes(tag{id: 0xC612, kind: 4, values: []uint32{1}}, long(0x0201, 100_000), long(0x0202, 50_000))
	for name, data := range map[string][]byte{
		"RAF":                  beforePreview(files["raf"]),
		"CR3":                  beforePreview(files["cr3"]),
		"DNG with a thumbnail": append(directory, p.thumbnail...),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := picture.Decode(data, modelSize)
			wantFailure(t, err, "truncated")
		})
	}
}

func TestARawFileWithoutAPreviewSaysSo(t *testing.T) {
	p := newRawParts(t)
	r := begin("II*\x00")
	first := r.directory(0, append([]tag{text(0x010F, "SONY"), short(0x0103, 32767)}, long(0x0111, r.add(p.sensor)), long(0x0117, 100))...)
	_, err := picture.Decode(r.finish(first), modelSize)
	if e := wantFailure(t, err, "unsupported"); !strings.Contains(e.Text, "ARW file holds no JPEG preview") {
		t.Error(e.Text)
	}
}
