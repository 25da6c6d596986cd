package picture

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rwcarlsen/goexif/exif"
)

// goexif is the second opinion on what our EXIF reader says of real photos:
// where both read a date, an orientation or a place, they agree. It is never
// shown crafted files, which make it take all the memory there is.
func TestMetadataAgreeWithGoexif(t *testing.T) {
	t.Run("on the fixtures", func(t *testing.T) {
		paths, err := filepath.Glob("testdata/inputs/orientation-*.jpg")
		if err != nil || len(paths) != 8 {
			t.Fatalf("%d fixtures, %v", len(paths), err)
		}
		if n := agree(t, paths); n.orientations != 8 {
			t.Errorf("compared %+v", n)
		}
	})
	t.Run("on the shared photos", func(t *testing.T) {
		var paths []string
		_ = filepath.WalkDir("../../../shared/photos", func(path string, _ fs.DirEntry, err error) error {
			extension := strings.ToLower(filepath.Ext(path))
			if err == nil && slices.Contains([]string{".jpg", ".jpeg", ".tiff"}, extension) {
				paths = append(paths, path)
			}
			return nil
		})
		if paths == nil {
			t.Skip("needs ../shared/photos")
		}
		n := agree(t, paths)
		t.Logf("compared %+v in %d files", n, len(paths))
		if n.dates < 40 || n.orientations < 40 || n.places < 10 {
			t.Error("too little was compared: is one of the readers broken?")
		}
	})
}

// knownDifferences are those that were looked into: who is right, and why.
var knownDifferences = map[string]string{}

type compared struct{ dates, orientations, places int }

func agree(t *testing.T, paths []string) (n compared) {
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kind, err := sniff(data)
		if err != nil {
			t.Fatal(path, err)
		}
		theirs, err := exif.Decode(bytes.NewReader(data))
		if theirs == nil || err != nil && exif.IsCriticalError(err) {
			continue
		}
		ours := readMetadata(data, kind)
		differ := func(what string, our, their any) {
			if knownDifferences[filepath.Base(path)+" "+what] == "" {
				t.Errorf("%s: %s: we say %v, goexif %v", path, what, our, their)
			}
		}
		if clock, ok := goexifClock(theirs); ok && !ours.Taken.IsZero() {
			n.dates++
			if !clock.Equal(ours.Taken.Clock) {
				differ("date", ours.Taken.Clock, clock)
			}
		}
		if o, ok := goexifOrientation(theirs); ok && ours.orientation != 0 {
			n.orientations++
			if o != ours.orientation {
				differ("orientation", ours.orientation, o)
			}
		}
		if lat, lon, err := theirs.LatLong(); err == nil && ours.Location != nil {
			n.places++
			if !(math.Abs(ours.Location.Lat-lat) < 1e-6 && math.Abs(ours.Location.Lon-lon) < 1e-6) {
				differ("place", *ours.Location, [2]float64{lat, lon})
			}
		}
	}
	return n
}

func goexifClock(x *exif.Exif) (time.Time, bool) {
	tag, err := x.Get(exif.DateTimeOriginal)
	if err != nil {
		return time.Time{}, false
	}
	s, err := tag.StringVal()
	if err != nil {
		return time.Time{}, false
	}
	clock, err := time.Parse("2006:01:02 15:04:05", strings.TrimRight(s, "\x00 "))
	return clock, err == nil && clock.Year() > 0
}

func goexifOrientation(x *exif.Exif) (orientation, bool) {
	tag, err := x.Get(exif.Orientation)
	if err != nil {
		return 0, false
	}
	o, err := tag.Int(0)
	return orientation(o), err == nil
}
