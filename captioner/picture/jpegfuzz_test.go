package picture

import (
	"testing"
	"time"
)

// FuzzJPEG looks for JPEG files that one decoder takes for whole and the other
// does not, besides those that libturbojpeg reads over, and for files that keep a
// decoder busy. libturbojpeg is C: a crash of it ends the fuzzing.
func FuzzJPEG(f *testing.F) {
	library := needTurbo(f)
	for _, data := range jpegFiles(f) {
		if len(data) < 50_000 {
			f.Add(data)
			f.Add(data[:len(data)*2/3])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		to := Size{24, 16}
		if len(data) > 64<<10 {
			return
		}
		p, err := planJPEGWith(nil, data, to)
		if err == nil && p.memory > 64<<20 {
			return // allowed to be, but a few of these at once fill the machine
		}
		begun := time.Now()
		slow := outcomeWith(t, nil, data, to)
		fast := outcomeWith(t, library, data, to)
		if took := time.Since(begun); took > 5*time.Second {
			t.Fatalf("took %s", took)
		}
		if slow.code == "" && !slow.damaged && fast.String() != slow.String() {
			t.Fatalf("libturbojpeg: %s; jpegn: %s", fast, slow)
		}
	})
}
