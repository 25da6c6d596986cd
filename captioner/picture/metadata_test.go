package picture_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image/color"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gen2brain/jpegn"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// jpegWith is a small JPEG file with EXIF data.
func jpegWith(t *testing.T, exif []byte) []byte {
	t.Helper()
	data := encodeJPEG(t, solid(16, 8, color.White), jpegn.EncodeOptions{})
	return withSegment(data, 0xE1, append([]byte("Exif\x00\x00"), exif...))
}

func metadataOf(t *testing.T, data []byte) storage.Metadata {
	t.Helper()
	p, err := picture.Decode(data, picture.Size{Width: 8, Height: 8})
	if err != nil {
		t.Fatal(err)
	}
	return p.Metadata
}

func text(id uint16, s string) tag            { return tag{id: id, kind: 2, text: s} }
func rational(id uint16, pairs ...uint32) tag { return tag{id: id, kind: 5, values: pairs} }
func exifIFD(tags ...tag) tag                 { return tag{id: 0x8769, sub: tags} }
func gpsIFD(tags ...tag) tag                  { return tag{id: 0x8825, sub: tags} }

func gps(latRef string, lat []uint32, lonRef string, lon []uint32) tag {
	var tags []tag
	if latRef != "" {
		tags = append(tags, text(1, latRef))
	}
	tags = append(tags, rational(2, lat...))
	if lonRef != "" {
		tags = append(tags, text(3, lonRef))
	}
	return gpsIFD(append(tags, rational(4, lon...))...)
}

var (
	canon   = []tag{text(0x010F, "Canon"), text(0x0110, "Canon EOS 40D")}
	details = []tag{
		exifIFD(
			rational(0x829A, 1, 160), rational(0x829D, 71, 10), tag{id: 0x8827, kind: 3, values: []uint32{100}},
			text(0x9003, "2008:05:30 15:56:01"), text(0x9011, "-03:30"),
			rational(0x920A, 135, 1), text(0xA434, "EF-S 18-135mm  "),
		),
		gps("N", []uint32{48, 1, 51, 1, 30, 1}, "W", []uint32{2, 1, 21, 1, 0, 1}),
	}
	everything = tiffBytes(append(slices.Clone(canon), details...)...)
)

// tinyTIFF is a picture of one grey pixel, the first byte of the file.
func tinyTIFF() []byte { return tinyTIFFWith(details...) }

func tinyTIFFWith(more ...tag) []byte {
	tags := []tag{short(0x0100, 1), short(0x0101, 1), short(0x0102, 8), short(0x0103, 1), short(0x0106, 1)}
	tags = append(tags, canon...)
	tags = append(tags, short(0x0111, 0), short(0x0117, 1))
	return tiffBytes(append(tags, more...)...)
}

func TestMetadataIsReadFromEveryFormatThatCarriesIt(t *testing.T) {
	want := storage.Metadata{
		Make: "Canon", Camera: "Canon EOS 40D", Lens: "EF-S 18-135mm",
		ExposureTime: 1.0 / 160, FNumber: 7.1, ISO: 100, FocalLength: 135,
	}
	for name, data := range map[string][]byte{
		"JPEG": jpegWith(t, everything),
		"TIFF": tinyTIFF(),
		"PNG":  withPNGChunk(encodePNG(t, solid(16, 8, color.White)), "eXIf", everything),
		"WebP": withWebPEXIF(readInput(t, "alpha-lossless.webp"), everything),
		"WebP that repeats the name": withWebPEXIF(readInput(t, "alpha-lossless.webp"),
			append([]byte("Exif\x00\x00"), everything...)),
	} {
		t.Run(name, func(t *testing.T) {
			got := metadataOf(t, data)
			if s := got.Taken.String(); s != "2008-05-30T15:56:01-03:30" {
				t.Errorf("taken %s", s)
			}
			if got.Location == nil || got.Location.Lat != 48+51/60.0+30/3600.0 || got.Location.Lon != -(2+21/60.0) {
				t.Errorf("location %v", got.Location)
			}
			got.Taken, got.Location = storage.Taken{}, nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func withPNGChunk(data []byte, name string, body []byte) []byte {
	out := bytes.Clone(data[:33]) // signature and header
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	out = append(append(out, name...), body...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[37:]))
	return append(out, data[33:]...)
}

func withWebPEXIF(data, exif []byte) []byte {
	out := append(bytes.Clone(data), "EXIF"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(exif)))
	return append(out, exif...)
}

func TestCameraIsNamedAsPeopleSayIt(t *testing.T) {
	for _, c := range [][3]string{
		{"Canon", "Canon EOS 40D", "Canon EOS 40D"},
		{"NIKON CORPORATION", "NIKON D70", "NIKON D70"},
		{"NIKON", "COOLPIX P1", "NIKON COOLPIX P1"},
		{"Apple", "iPhone 7", "Apple iPhone 7"},
		{"OLYMPUS OPTICAL CO.,LTD", "C960Z,D460Z", "OLYMPUS C960Z,D460Z"},
		{"OLYMPUS IMAGING CORP.", "E-P3", "OLYMPUS E-P3"},
		{"SANYO Electric Co.,Ltd.", "SR6", "SANYO SR6"},
		{"EASTMAN KODAK COMPANY", "KODAK CX7530 ZOOM DIGITAL CAMERA", "KODAK CX7530 ZOOM DIGITAL CAMERA"},
		{"Konica Minolta Camera, Inc.", "DiMAGE A2", "Konica Minolta DiMAGE A2"},
		{"PENTAX Corporation ", "PENTAX K10D ", "PENTAX K10D"},
		{"samsung", "SM-G930F", "samsung SM-G930F"},
		{"Jolla", "Jolla", "Jolla"},
		{"LG Electronics", "LG-H815", "LG-H815"},
		{"HTC", "HTCDesire", "HTC HTCDesire"},
		{"Canon", "", "Canon"},
		{"", "FinePix E500", "FinePix E500"},
		{"unknown", "----", ""},
		{"", "", ""},
	} {
		got := metadataOf(t, jpegWith(t, tiffBytes(text(0x010F, c[0]), text(0x0110, c[1]))))
		if got.Camera != c[2] {
			t.Errorf("%q + %q = %q, want %q", c[0], c[1], got.Camera, c[2])
		}
	}
}

func TestWhenAPictureWasTaken(t *testing.T) {
	original, offset, offsetOriginal := uint16(0x9003), uint16(0x9010), uint16(0x9011)
	for name, c := range map[string]struct {
		tags []tag
		want string
	}{
		"without an offset":                {[]tag{text(original, "2019:07:01 23:59:59")}, "2019-07-01T23:59:59-00:00"},
		"with an offset":                   {[]tag{text(original, "2019:07:01 23:59:59"), text(offsetOriginal, "+05:45")}, "2019-07-01T23:59:59+05:45"},
		"with the general offset":          {[]tag{text(original, "2019:07:01 23:59:59"), text(offset, "-08:00")}, "2019-07-01T23:59:59-08:00"},
		"its own offset counts first":      {[]tag{text(original, "2019:07:01 23:59:59"), text(offset, "-08:00"), text(offsetOriginal, "+01:00")}, "2019-07-01T23:59:59+01:00"},
		"UTC":                              {[]tag{text(original, "2019:07:01 23:59:59"), text(offset, "Z")}, "2019-07-01T23:59:59Z"},
		"with an offset that is none":      {[]tag{text(original, "2019:07:01 23:59:59"), text(offset, "   :  ")}, "2019-07-01T23:59:59-00:00"},
		"with an impossible offset":        {[]tag{text(original, "2019:07:01 23:59:59"), text(offset, "+99:00")}, "2019-07-01T23:59:59-00:00"},
		"in an hour that summer time cuts": {[]tag{text(original, "2021:03:28 02:30:00")}, "2021-03-28T02:30:00-00:00"},
		"with dashes":                      {[]tag{text(original, "2019-07-01 23:59:59")}, "2019-07-01T23:59:59-00:00"},
		"never: zeros":                     {[]tag{text(original, "0000:00:00 00:00:00")}, ""},
		"never: blank":                     {[]tag{text(original, "    :  :     :  :  ")}, ""},
		"never: nonsense":                  {[]tag{text(original, "yesterday, I think")}, ""},
		"never: a 13th month":              {[]tag{text(original, "2019:13:01 00:00:00")}, ""},
		"never: before photography":        {[]tag{text(original, "1601:01:01 00:00:00")}, ""},
		"never: no tag":                    {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := metadataOf(t, jpegWith(t, tiffBytes(exifIFD(append(c.tags, text(0xA434, "a lens"))...))))
			if got.Taken.String() != c.want {
				t.Errorf("got %q, want %q", got.Taken, c.want)
			}
			if !got.Taken.IsZero() && got.Taken.Clock.Location() != time.UTC {
				t.Error("the clock is not kept in UTC")
			}
		})
	}
}

func TestWhereAPictureWasTaken(t *testing.T) {
	paris, zero := []uint32{48, 1, 51, 1, 0, 1}, []uint32{0, 1, 0, 1, 0, 1}
	for name, c := range map[string]struct {
		gps  tag
		want *storage.Location
	}{
		"north and east":      {gps("N", paris, "E", paris), &storage.Location{Lat: 48.85, Lon: 48.85}},
		"south and west":      {gps("S", paris, "W", paris), &storage.Location{Lat: -48.85, Lon: -48.85}},
		"on the equator":      {gps("N", zero, "E", paris), &storage.Location{Lat: 0, Lon: 48.85}},
		"lower case letters":  {gps("n", paris, "w", paris), &storage.Location{Lat: 48.85, Lon: -48.85}},
		"no letters":          {gps("", paris, "", paris), nil},
		"one letter":          {gps("N", paris, "", paris), nil},
		"letters of nothing":  {gps("X", paris, "Y", paris), nil},
		"no fix":              {gps("N", zero, "E", zero), nil},
		"beyond the pole":     {gps("N", []uint32{91, 1, 0, 1, 0, 1}, "E", paris), nil},
		"latitude alone":      {gpsIFD(text(1, "N"), rational(2, paris...)), nil},
		"two numbers only":    {gps("N", paris[:4], "E", paris), nil},
		"divided by zero":     {gps("N", []uint32{48, 0, 0, 0, 0, 0}, "E", []uint32{0, 0, 0, 0, 0, 0}), nil},
		"an empty directory":  {gpsIFD(text(0x1D, "2020:01:01")), nil},
		"seconds with thirds": {gps("N", []uint32{10, 1, 0, 1, 36, 10}, "E", []uint32{20, 1, 0, 1, 0, 1}), &storage.Location{Lat: 10.001, Lon: 20}},
	} {
		t.Run(name, func(t *testing.T) {
			got := metadataOf(t, jpegWith(t, tiffBytes(c.gps))).Location
			if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestBadMetadataNeverFailsAPicture(t *testing.T) {
	cut := everything[:len(everything)/2]
	loop := bytes.Clone(everything)
	binary.LittleEndian.PutUint32(loop[4:], 8)
	pointer := tiffBytes(exifIFD(exifIFD(text(0x9003, "2019:07:01 00:00:00"))))
	huge := tiffBytes(tag{id: 0x010F, kind: 2, text: string(make([]byte, 60_000))}, text(0x0110, "X"))
	for name, exif := range map[string][]byte{
		"empty": nil, "no TIFF": []byte("hello world, this is not TIFF"), "cut": cut, "loop": loop,
		"a directory in itself": pointer, "a huge tag": huge,
		"offsets beyond the end": []byte("II*\x00\xFF\xFF\xFF\xFF"),
		"orientation 9":          tiffBytes(tag{id: 0x0112, kind: 3, values: []uint32{9}}),
		"orientation as text":    tiffBytes(text(0x0112, "6")),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := picture.Decode(jpegWith(t, exif), modelSize)
			if err != nil || p.Width != 16 || p.Height != 8 {
				t.Errorf("%dx%d, %v", p.Width, p.Height, err)
			}
		})
	}
}
