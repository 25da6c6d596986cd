package picture_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image/color"
	"reflect"
	"slices"
	"testing"

	"github.com/gen2brain/jpegn"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// cupXMP is the packet that is also in metadata.heic and metadata.avif.
const cupXMP = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="4">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A cup</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>coffee</rdf:li><rdf:li>red</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>`

func xmpSegment(packet string) []byte { return []byte("http://ns.adobe.com/xap/1.0/\x00" + packet) }

// iptcSegment is a JPEG segment with IPTC records in Photoshop's wrapping.
func iptcSegment(records ...string) []byte {
	var data []byte
	for _, r := range records { // record 2, a dataset's number, its text
		data = append(data, 0x1C, 2, r[0])
		data = append(binary.BigEndian.AppendUint16(data, uint16(len(r)-1)), r[1:]...)
	}
	out := []byte("Photoshop 3.0\x008BIM\x04\x04\x00\x00")
	return append(binary.BigEndian.AppendUint32(out, uint32(len(data))), data...)
}

func TestWhatPeopleWroteIsReadFromEveryFormatThatCarriesIt(t *testing.T) {
	jpeg := encodeJPEG(t, solid(16, 8, color.White), jpegn.EncodeOptions{})
	png := encodePNG(t, solid(16, 8, color.White))
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	z.Write([]byte(cupXMP))
	z.Close()
	webp := append(readInput(t, "alpha-lossless.webp"), "XMP "...)
	webp = append(binary.LittleEndian.AppendUint32(webp, uint32(len(cupXMP))), cupXMP...)
	inTIFF := tag{id: 0x02BC, kind: 2, text: cupXMP}
	r := begin("II*\x00")
	preview := newRawParts(t).preview
	dng := r.finish(r.directory(0, inTIFF, tag{id: 0xC612, kind: 4, values: []uint32{1}},
		long(0x0201, r.add(preview)), long(0x0202, uint32(len(preview)))))
	cr3 := append(cr3File(newRawParts(t)), box("uuid", []byte("\xBE\x7A\xCF\xCB\x97\xA9\x42\xE8\x9C\x71\x99\x94\x91\xE3\xAF\xAC"+cupXMP))...)
	for name, data := range map[string][]byte{
		"JPEG":                            withSegment(jpeg, 0xE1, xmpSegment(cupXMP)),
		"JPEG behind EXIF":                withSegment(withSegment(jpeg, 0xE1, xmpSegment(cupXMP)), 0xE1, append([]byte("Exif\x00\x00"), everything...)),
		"JPEG with IPTC that says less":   withSegment(withSegment(jpeg, 0xE1, xmpSegment(cupXMP)), 0xED, iptcSegment("\x05Another cup", "\x19cup")),
		"PNG":                             withPNGChunk(png, "iTXt", []byte("XML:com.adobe.xmp\x00\x00\x00\x00\x00"+cupXMP)),
		"PNG, compressed":                 withPNGChunk(png, "iTXt", append([]byte("XML:com.adobe.xmp\x00\x01\x00en\x00XMP\x00"), packed.Bytes()...)),
		"WebP":                            webp,
		"TIFF":                            tinyTIFFWith(inTIFF),
		"DNG":                             dng,
		"CR3":                             cr3,
		"RAF, in its preview":             rafFile(rawParts{preview: withSegment(preview, 0xE1, xmpSegment(cupXMP))}, tiffBytes(canon...)),
		"HEIC":                            readInput(t, "metadata.heic"),
		"AVIF":                            readInput(t, "metadata.avif"),
		"JPEG with an unreadable EXIF":    withSegment(withSegment(jpeg, 0xE1, xmpSegment(cupXMP)), 0xE1, []byte("Exif\x00\x00MM\x00*\xFF\xFF\xFF\xFF")),
		"JPEG with a packet that is torn": withSegment(jpeg, 0xE1, xmpSegment(cupXMP[:len(cupXMP)-40])),
	} {
		t.Run(name, func(t *testing.T) {
			got := metadataOf(t, data)
			if got.Title != "A cup" || got.Rating != 4 || !slices.Equal(got.Keywords, []string{"coffee", "red"}) {
				t.Errorf("title %q, %d stars, keywords %q", got.Title, got.Rating, got.Keywords)
			}
		})
	}
}

func TestIPTCIsReadWhereThereIsNoXMP(t *testing.T) {
	jpeg := encodeJPEG(t, solid(16, 8, color.White), jpegn.EncodeOptions{})
	for name, c := range map[string]struct {
		records []string
		want    storage.Metadata
	}{
		"title, description, keywords": {
			[]string{"\x05A cup", "\x78Red, on a table.", "\x19coffee", "\x19red", "\x19red"},
			storage.Metadata{Title: "A cup", Description: "Red, on a table.", Keywords: []string{"coffee", "red"}},
		},
		"one keyword":     {[]string{"\x19coffee"}, storage.Metadata{Keywords: []string{"coffee"}}},
		"a zero byte":     {[]string{"\x05A\x00cup"}, storage.Metadata{Title: "A cup"}},
		"Latin-1":         {[]string{"\x05Caf\xE9"}, storage.Metadata{Title: "Café"}},
		"something else":  {[]string{"\x50A photographer"}, storage.Metadata{}},
		"an empty record": {[]string{"\x05"}, storage.Metadata{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := metadataOf(t, withSegment(jpeg, 0xED, iptcSegment(c.records...)))
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAZeroByteInATagIsASpace(t *testing.T) {
	got := metadataOf(t, jpegWith(t, tiffBytes(text(0x010F, "Can\x00on"), text(0x0110, "X\x00\x00"))))
	for _, s := range []string{got.Make, got.Camera} {
		if bytes.ContainsRune([]byte(s), 0) || s == "" {
			t.Errorf("%q", s)
		}
	}
}

func TestMetadataOfHEICAndAVIF(t *testing.T) {
	for _, name := range []string{"metadata.heic", "metadata.avif"} {
		got := metadataOf(t, readInput(t, name))
		if got.Camera != "Canon EOS 40D" || got.Taken.String() != "2008-05-30T15:56:01-03:30" {
			t.Errorf("%s: camera %q, taken %s", name, got.Camera, got.Taken)
		}
	}
}

func TestSizesOfTurnedHEICAndAVIF(t *testing.T) {
	for input, want := range map[string]picture.Size{
		"orientation-1.heic": {Width: 75, Height: 51}, "orientation-6.heic": {Width: 51, Height: 75},
		"orientation-3.avif": {Width: 75, Height: 51}, "orientation-8.avif": {Width: 51, Height: 75},
	} {
		p, err := picture.Decode(readInput(t, input), modelSize)
		if got := (picture.Size{Width: p.Width, Height: p.Height}); err != nil || got != want || p.Format != input[len(input)-4:] {
			t.Errorf("%s: %s of %v, %v; want %v", input, p.Format, got, err, want)
		}
	}
}

// Most cameras name the colours beside the picture, others only inside.
func TestColoursOfHEICAreFoundInsideThePictureToo(t *testing.T) {
	named := readInput(t, "limited-range.heic")
	inside := bytes.Replace(named, []byte("colrnclx"), []byte("skipnclx"), 1)
	if bytes.Equal(named, inside) {
		t.Fatal("the fixture names no colours")
	}
	want, err := picture.Decode(named, modelSize)
	if err != nil {
		t.Fatal(err)
	}
	got, err := picture.Decode(inside, modelSize)
	if err != nil || !bytes.Equal(got.Pixels, want.Pixels) {
		worst, _ := compare(got.Pixels, want.Pixels)
		t.Errorf("%v, a pixel is off by %d", err, worst)
	}
}
