package picture_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gen2brain/jpegn"

	"shoebox/captioner/picture"
)

// A texture has the same amount of detail everywhere, so that a share of the
// file is that share of the rows.
func TestTruncatedJPEG(t *testing.T) {
	img := texture(700, 1600)
	files := map[string][]byte{
		"baseline":    encodeJPEG(t, img, jpegn.EncodeOptions{}),
		"4:4:4":       encodeJPEG(t, img, jpegn.EncodeOptions{Subsampling: jpegn.Subsample444}),
		"restarts":    encodeJPEG(t, img, jpegn.EncodeOptions{RestartInterval: 20}),
		"optimised":   encodeJPEG(t, img, jpegn.EncodeOptions{OptimizeCoding: true}),
		"grey":        encodeJPEG(t, grey(img), jpegn.EncodeOptions{}),
		"progressive": encodeJPEG(t, img, jpegn.EncodeOptions{Progressive: true}),
	}
	for name, data := range files {
		whole, err := picture.Decode(data, modelSize)
		if err != nil || whole.Damaged {
			t.Fatalf("%s, whole: damaged %v, %v", name, whole.Damaged, err)
		}
		for _, percent := range []int{99, 90, 77, 60, 10, 2} {
			t.Run(fmt.Sprintf("%s, %d %% of it", name, percent), func(t *testing.T) {
				p, err := picture.Decode(data[:len(data)*percent/100], modelSize)
				// Most of a progressive file is the finest detail: a tenth of
				// one of this size is enough for the model.
				if name != "progressive" && percent < 75 || percent < 5 {
					e := wantFailure(t, err, "truncated")
					if name != "progressive" && !saysAbout(e.Text, percent) {
						t.Errorf("%q does not say that about %d %% is there", e.Text, percent)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if !p.Damaged {
					t.Error("not called damaged")
				}
				if p.Width != 700 || p.Height != 1600 {
					t.Errorf("size %dx%d", p.Width, p.Height)
				}
				noRowIsMadeUp(t, p.Pixels, whole.Pixels)
			})
		}
	}
}

// saysAbout accepts the percentage less what the header takes and the row of
// blocks that the cut went through.
func saysAbout(text string, percent int) bool {
	for p := max(percent-3, 0); p <= percent; p++ {
		if strings.Contains(text, fmt.Sprintf(" %d %%", p)) {
			return true
		}
	}
	return false
}

// noRowIsMadeUp compares the mean colour of each row with that of the whole
// picture, which is a texture of one colour.
func noRowIsMadeUp(t *testing.T, pixels, whole []byte) {
	t.Helper()
	mean := func(p []byte, channel int) int {
		sum := 0
		for i := channel; i < len(p); i += 3 {
			sum += int(p[i])
		}
		return sum / (len(p) / 3)
	}
	const stride = 3 * 224
	for y := range 224 {
		for channel := range 3 {
			got, want := mean(pixels[y*stride:][:stride], channel), mean(whole, channel)
			if got < want-8 || got > want+8 {
				t.Fatalf("row %d has a mean of %d in channel %d, the picture %d", y, got, channel, want)
			}
		}
	}
}

func TestWhatIsLeftOfATruncatedJPEGIsItsTop(t *testing.T) {
	// Red above, blue below the 80th percent.
	img := image.NewRGBA(image.Rect(0, 0, 640, 640))
	detail := texture(640, 640)
	for y := range 640 {
		for x := range 640 {
			c := color.RGBA{R: 200, A: 255}
			if y >= 512 {
				c = color.RGBA{B: 200, A: 255}
			}
			c.G = detail.Pix[detail.PixOffset(x, y)+1] / 2
			img.SetRGBA(x, y, c)
		}
	}
	data := encodeJPEG(t, img, jpegn.EncodeOptions{})
	p, err := picture.Decode(data[:len(data)*79/100], modelSize)
	if err != nil || !p.Damaged {
		t.Fatalf("damaged %v, %v", p.Damaged, err)
	}
	for i := 0; i < len(p.Pixels); i += 3 {
		if p.Pixels[i] < 120 || p.Pixels[i+2] > 120 {
			t.Fatalf("pixel %d is %v: not of the red part", i/3, p.Pixels[i:i+3])
		}
	}
}

func TestCompleteJPEGsAreNotDamaged(t *testing.T) {
	img := texture(600, 400)
	data := encodeJPEG(t, img, jpegn.EncodeOptions{})
	inside := encodeJPEG(t, texture(160, 120), jpegn.EncodeOptions{})
	black := solid(600, 400, color.Black)
	half := solid(600, 400, color.White)
	for y := 200; y < 400; y++ {
		for x := range 600 {
			half.Set(x, y, color.Black)
		}
	}
	for name, data := range map[string][]byte{
		"without the end marker":          data[:len(data)-2],
		"with fill bytes before the end":  append(append(bytes.Clone(data[:len(data)-2]), 0xFF, 0xFF), 0xFF, 0xD9),
		"with a second picture behind":    append(bytes.Clone(data), inside...),
		"with a trailer of zeros":         append(bytes.Clone(data), make([]byte, 3000)...),
		"with a thumbnail in EXIF":        withSegment(data, 0xE1, append([]byte("Exif\x00\x00"), inside...)),
		"with a stray byte between":       append(append(bytes.Clone(data[:20]), 0), data[20:]...),
		"with a comment behind the scan":  append(append(bytes.Clone(data[:len(data)-2]), segment(0xFE, []byte("hello"))...), 0xFF, 0xD9),
		"all black":                       encodeJPEG(t, black, jpegn.EncodeOptions{}),
		"all black and grey":              encodeJPEG(t, grey(black), jpegn.EncodeOptions{}),
		"grey with a black lower half":    encodeJPEG(t, grey(half), jpegn.EncodeOptions{}),
		"colour with a black lower half":  encodeJPEG(t, half, jpegn.EncodeOptions{}),
		"of the greenest green":           encodeJPEG(t, solid(600, 400, color.NRGBA{G: 255, A: 255}), jpegn.EncodeOptions{Quality: 100}),
		"of cyan, whose Cr is zero":       encodeJPEG(t, solid(600, 400, color.NRGBA{G: 255, B: 255, A: 255}), jpegn.EncodeOptions{Quality: 20}),
		"of yellow, whose Cb is zero":     encodeJPEG(t, solid(600, 400, color.NRGBA{R: 255, G: 255, A: 255}), jpegn.EncodeOptions{Quality: 20}),
		"with restart markers":            encodeJPEG(t, img, jpegn.EncodeOptions{RestartInterval: 7}),
		"progressive with a trailer":      append(encodeJPEG(t, img, jpegn.EncodeOptions{Progressive: true}), 1, 2, 3),
		"kept as RGB":                     readInput(t, "rgb.jpg"),
		"CMYK":                            readInput(t, "cmyk.jpg"),
		"without end marker, kept as RGB": bytes.TrimSuffix(readInput(t, "rgb.jpg"), []byte{0xFF, 0xD9}),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := picture.Decode(data, modelSize)
			if err != nil {
				t.Fatal(err)
			}
			if p.Damaged {
				t.Error("called damaged")
			}
		})
	}
}

func TestGreyThatIsMissingIsNotTakenForBlack(t *testing.T) {
	img := grey(texture(800, 800))
	for y := 400; y < 800; y++ {
		for x := range 800 {
			img.SetGray(x, y, color.Gray{})
		}
	}
	data := encodeJPEG(t, img, jpegn.EncodeOptions{})
	whole, err := picture.Decode(data, modelSize)
	if err != nil || whole.Damaged {
		t.Fatalf("whole: damaged %v, %v", whole.Damaged, err)
	}
	// The black half takes few bytes: the last 3000 are most of it.
	_, err = picture.Decode(data[:len(data)-3000], modelSize)
	wantFailure(t, err, "truncated")
}

func TestGarbageInTheMiddleOfAJPEG(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	img := texture(700, 1600)
	spoil := func(data []byte, from, percent int) []byte {
		data = bytes.Clone(data)
		start := len(data) * from / 100
		for i := range len(data) * percent / 100 {
			data[start+i] = byte(random.IntN(256))
		}
		return data
	}
	zero := func(data []byte, from, percent int) []byte {
		data = bytes.Clone(data)
		start := len(data) * from / 100
		clear(data[start : start+len(data)*percent/100])
		return data
	}
	baseline := encodeJPEG(t, img, jpegn.EncodeOptions{})
	restarts := encodeJPEG(t, img, jpegn.EncodeOptions{RestartInterval: 44}) // a row of blocks
	for name, c := range map[string]struct {
		data []byte
		lost bool
	}{
		"garbage half way down":                          {spoil(baseline, 50, 2), true},
		"garbage near the end":                           {spoil(baseline, 85, 2), false},
		"garbage half way down, between restart markers": {spoil(restarts, 50, 2), false},
		"half garbage, between restart markers":          {spoil(restarts, 20, 60), true},
		"zeros half way down, between restart markers":   {zero(restarts, 50, 2), false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := picture.Decode(c.data, modelSize)
			if c.lost {
				wantFailure(t, err, "truncated")
				return
			}
			if err != nil || !p.Damaged {
				t.Fatalf("damaged %v, %v", p.Damaged, err)
			}
		})
	}
}

func TestACutProgressiveJPEGNeedsWhatTheModelSees(t *testing.T) {
	// The encoder's scans: the mean of each block in three, one a component,
	// then the two lowest frequencies of the brightness.
	for _, c := range []struct {
		name         string
		side, scans  int
		failure, say string
	}{
		{"colour missing", 1800, 2, "truncated", "not even"},
		{"an eighth of a small picture", 640, 3, "truncated", "80x80"},
		{"an eighth of a large picture", 1800, 3, "", ""},
		{"a quarter of a small picture", 640, 4, "truncated", "160x160"},
		{"a quarter of a middling picture", 700, 4, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := encodeJPEG(t, texture(c.side, c.side), jpegn.EncodeOptions{Progressive: true})
			p, err := picture.Decode(data[:scanStart(t, data, c.scans)+10], modelSize)
			if c.failure != "" {
				if e := wantFailure(t, err, c.failure); !strings.Contains(e.Text, c.say) {
					t.Errorf("%q does not say %q", e.Text, c.say)
				}
				return
			}
			if err != nil || !p.Damaged {
				t.Errorf("damaged %v, %v", p.Damaged, err)
			}
		})
	}
}

// scanStart finds the marker of the nth scan, counted from 0.
func scanStart(t *testing.T, data []byte, n int) int {
	t.Helper()
	at := 0
	for range n + 1 {
		next := bytes.Index(data[at+1:], []byte{0xFF, 0xDA})
		if next < 0 {
			t.Fatal("the fixture has too few scans")
		}
		at += 1 + next
	}
	return at
}
