package picture

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bep/imagemeta"

	"shoebox/captioner/picture/xmp"
	"shoebox/storage"
)

// metadata is what a file says about its picture.
type metadata struct {
	storage.Metadata
	orientation orientation
}

// Where in a file's EXIF data the tags that we read are.
const (
	mainDirectory = "IFD0"
	exifDirectory = "IFD0/ExifIFDP"
	gpsDirectory  = "IFD0/GPSInfoIFD"
)

var wantedTags = map[string]string{ // tag: directory
	"Orientation": mainDirectory, "Make": mainDirectory, "Model": mainDirectory,
	"DateTimeOriginal": exifDirectory, "OffsetTimeOriginal": exifDirectory, "OffsetTime": exifDirectory,
	"LensModel": exifDirectory, "ExposureTime": exifDirectory, "FNumber": exifDirectory,
	"ISO": exifDirectory, "FocalLength": exifDirectory,
	"GPSLatitude": gpsDirectory, "GPSLatitudeRef": gpsDirectory,
	"GPSLongitude": gpsDirectory, "GPSLongitudeRef": gpsDirectory,
}

var wantedIPTC = map[string]bool{"ObjectName": true, "Caption-Abstract": true, "Keywords": true}

// Bounds on what a file can make the EXIF reader do. Cameras write some
// hundred tags; none that we want holds more than a line of text. (A time
// limit would leave the reader running on a buffer that it shares with the
// next one; within these bounds it has never been seen to hang.)
const (
	maxTags    = 2000
	maxTagSize = 2000 // bytes
)

// readMetadata never fails: what cannot be read is absent, and of a file that
// breaks off what came before counts.
func readMetadata(data []byte, k kind) metadata {
	if k.metadata == nil {
		return metadata{}
	}
	from := k.metadata(data)
	tags := tagSet{}
	for _, b := range from.tags {
		tags.read(b)
	}
	m := tags.metadata()
	if from.orientation != 0 {
		m.orientation = from.orientation
	}
	written, _ := xmp.Parse(from.xmp) // as far as it can be read
	setWritten(&m.Metadata, written.Over(tags.iptc()))
	return m
}

// tagSet holds the wanted tags of EXIF and IPTC by their names.
type tagSet map[string]any

func (t tagSet) read(b block) {
	badPlace := false
	// What begins in IFD0 for imagemeta may be another directory.
	directory := func(i imagemeta.TagInfo) string { return b.root + strings.TrimPrefix(i.Namespace, mainDirectory) }
	_, _ = imagemeta.Decode(imagemeta.Options{
		R:            b.data,
		ImageFormat:  b.format,
		Sources:      imagemeta.EXIF | imagemeta.IPTC,
		LimitNumTags: maxTags,
		LimitTagSize: maxTagSize,
		ShouldHandleTag: func(i imagemeta.TagInfo) bool {
			return i.Source == imagemeta.IPTC && wantedIPTC[i.Tag] ||
				i.Source == imagemeta.EXIF && wantedTags[i.Tag] == directory(i) && i.Namespace != ""
		},
		// A coordinate that makes no sense comes as zero and a warning.
		Warnf: func(format string, _ ...any) { badPlace = badPlace || strings.HasPrefix(format, "GPSL") },
		HandleTag: func(i imagemeta.TagInfo) error {
			if _, ok := t[i.Tag]; !ok {
				t[i.Tag] = i.Value
			}
			return nil
		},
	})
	if badPlace {
		delete(t, "GPSLatitude")
	}
}

// metadata is what the camera wrote.
func (t tagSet) metadata() metadata {
	maker, model := text(t["Make"]), text(t["Model"])
	return metadata{
		orientation: orientation(number(t["Orientation"])),
		Metadata: storage.Metadata{
			Taken:        taken(t),
			Make:         maker,
			Camera:       cameraName(maker, model),
			Lens:         text(t["LensModel"]),
			ExposureTime: positive(number(t["ExposureTime"])),
			FNumber:      positive(number(t["FNumber"])),
			ISO:          int(min(positive(number(t["ISO"])), math.MaxInt32)),
			FocalLength:  positive(number(t["FocalLength"])),
			Location:     location(t),
		},
	}
}

// iptc is what people wrote with programs from before XMP.
func (t tagSet) iptc() xmp.Properties {
	var keywords []string
	switch v := t["Keywords"].(type) {
	case string:
		keywords = []string{v}
	case []string:
		keywords = v
	}
	p := xmp.Properties{Title: text(t["ObjectName"]), Description: text(t["Caption-Abstract"])}
	for _, k := range keywords {
		if k = text(k); k != "" && !slices.Contains(p.Keywords, k) {
			p.Keywords = append(p.Keywords, k)
		}
	}
	return p
}

// setWritten sets what people wrote about a picture.
func setWritten(m *storage.Metadata, p xmp.Properties) {
	m.Title, m.Description, m.Keywords, m.People, m.Rating = p.Title, p.Description, p.Keywords, p.People, p.Rating
}

// text cleans a string up: cameras pad with spaces and zero bytes and write
// placeholders.
func text(v any) string {
	s, _ := v.(string)
	s = strings.ReplaceAll(s, "\x00", " ")
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
	if strings.Trim(s, "-?. ") == "" || strings.EqualFold(s, "unknown") {
		return ""
	}
	return s
}

// number reads a value of any numeric type; 0 when it is none. Of several
// (some cameras write two ISO values) the first counts.
func number(v any) float64 {
	switch v := v.(type) {
	case interface{ Float64() float64 }:
		return v.Float64()
	case float64:
		return v
	case float32:
		return float64(v)
	case uint8:
		return float64(v)
	case uint16:
		return float64(v)
	case uint32:
		return float64(v)
	case int32:
		return float64(v)
	case []any:
		if len(v) > 0 {
			return number(v[0])
		}
	}
	return 0
}

func positive(f float64) float64 {
	if !(f > 0) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// cameraName joins make and model as people say them: "Canon" and "Canon EOS
// 40D" are a "Canon EOS 40D", "NIKON CORPORATION" and "NIKON D70" a "NIKON
// D70", "Apple" and "iPhone 7" an "Apple iPhone 7".
func cameraName(maker, model string) string {
	for _, word := range strings.Fields(maker) {
		if startsWithWord(model, word) {
			return model
		}
	}
	if maker == "" || model == "" {
		return maker + model
	}
	for _, company := range companyWords {
		maker = strings.TrimRight(trimSuffixFold(maker, company), " ,")
	}
	return maker + " " + model
}

// companyWords are what makers put behind their name, outermost first.
var companyWords = []string{
	".", "Ltd", "Co.", "Co", "Inc", "CORPORATION", "Corp", "ELECTRIC",
	"OPTICAL", "IMAGING", "COMPANY", "COMPUTER", "CAMERA",
}

func startsWithWord(s, word string) bool {
	return len(s) >= len(word) && strings.EqualFold(s[:len(word)], word) &&
		(len(s) == len(word) || strings.ContainsRune(" -_", rune(s[len(word)])))
}

func trimSuffixFold(s, suffix string) string {
	if n := len(s) - len(suffix); n > 0 && strings.EqualFold(s[n:], suffix) {
		return s[:n]
	}
	return s
}

// taken reads the clock of the camera. Many write zeros, or the year of their
// first clock, before it is set: years before photography are absent.
func taken(tags tagSet) storage.Taken {
	s := text(tags["DateTimeOriginal"])
	if len(s) < len("2006:01:02 15:04:05") {
		return storage.Taken{}
	}
	clock, err := time.Parse("2006:01:02 15:04:05", s[:19])
	if err != nil {
		clock, err = time.Parse("2006-01-02 15:04:05", s[:19])
	}
	if err != nil || clock.Year() < 1826 {
		return storage.Taken{}
	}
	t := storage.Taken{Clock: clock}
	for _, tag := range []string{"OffsetTimeOriginal", "OffsetTime"} {
		if minutes, ok := offset(text(tags[tag])); ok {
			t.Offset = &minutes
			break
		}
	}
	return t
}

// offset reads "+02:00" as 120 minutes.
func offset(s string) (minutes int, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != len("+02:00") || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, err1 := strconv.ParseUint(s[1:3], 10, 8)
	m, err2 := strconv.ParseUint(s[4:6], 10, 8)
	if err1 != nil || err2 != nil || h > 14 || m > 59 {
		return 0, false
	}
	minutes = int(60*h + m)
	if s[0] == '-' {
		minutes = -minutes
	}
	return minutes, true
}

// location reads a place. Without the letters that say north or south and
// east or west it is unknown, and 0,0 is what receivers write without a fix.
func location(tags tagSet) *storage.Location {
	lat, ok1 := coordinate(tags["GPSLatitude"], text(tags["GPSLatitudeRef"]), "N", "S", 90)
	lon, ok2 := coordinate(tags["GPSLongitude"], text(tags["GPSLongitudeRef"]), "E", "W", 180)
	if !ok1 || !ok2 || lat == 0 && lon == 0 {
		return nil
	}
	return &storage.Location{Lat: lat, Lon: lon}
}

func coordinate(v any, ref, plus, minus string, limit float64) (float64, bool) {
	degrees, ok := v.(float64)
	if !ok || !(degrees >= 0 && degrees <= limit) || len(ref) == 0 {
		return 0, false
	}
	switch strings.ToUpper(ref[:1]) {
	case plus:
		return degrees, true
	case minus:
		return -degrees, true
	}
	return 0, false
}
