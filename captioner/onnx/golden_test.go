package onnx

import (
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shoebox/captioner/model"
	"shoebox/cmd/shoebox/runtime"
)

// tolerance is how far logits may be from PyTorch's, and how large its margin
// has to be for its token to be the only right one.
const tolerance = 1e-3

var goldenDir = filepath.Join("..", "model", "golden")

// golden is PyTorch's answer about a picture (train/export.py).
type golden struct {
	PNG     string    `json:"png"`
	Score   float64   `json:"score"`
	Tokens  []int64   `json:"tokens"`
	Margins []float64 `json:"margins"` // between the likeliest two tokens of each step
	Steps   []struct {
		Indices []int     `json:"indices"`
		Logits  []float64 `json:"logits"`
	} `json:"steps"`
}

func readGolden(t *testing.T) []golden {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(goldenDir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("golden.json is empty")
	}
	return all
}

// readPixels reads the exact pixels that PyTorch saw.
func readPixels(t *testing.T, name string) []byte {
	t.Helper()
	file, err := os.Open(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, _, err := image.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	var pixels []byte
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			pixels = append(pixels, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return pixels
}

func openShipped(t *testing.T, inputs, outputs []string) *Session {
	t.Helper()
	found, _ := runtime.Find("")
	if found.ONNXRuntime == "" {
		t.Fatal("SHOEBOX_RUNTIME_DIR does not hold ONNX Runtime: `make test` fetches it and sets it")
	}
	a, err := model.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(found.ONNXRuntime, a.ONNX, a.Input.Width, a.Input.Height, 1, inputs, outputs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// forcedLogits runs the graph with given tokens and returns the logits of
// each step, [step][vocabulary].
func forcedLogits(t *testing.T, s *Session, pixels []byte, tokens []int64) [][]float32 {
	t.Helper()
	picture, err := s.pixels([][]byte{pixels})
	if err != nil {
		t.Fatal(err)
	}
	defer picture.Destroy()
	forced, err := ort.NewTensor(ort.NewShape(1, int64(len(tokens))), tokens)
	if err != nil {
		t.Fatal(err)
	}
	defer forced.Destroy()
	outputs := []ort.Value{nil}
	if err := s.session.Run([]ort.Value{picture, forced}, outputs); err != nil {
		t.Fatal(err)
	}
	defer destroy(outputs)
	logits := outputs[0].(*ort.Tensor[float32])
	steps, words := int(logits.GetShape()[1]), int(logits.GetShape()[2])
	all := make([][]float32, steps)
	for i := range all {
		all[i] = slices.Clone(logits.GetData()[i*words : (i+1)*words])
	}
	return all
}

func TestLogitsAreThoseOfPyTorch(t *testing.T) {
	s := openShipped(t, []string{inputPixels, inputForced}, []string{outputLogits})
	for _, g := range readGolden(t) {
		logits := forcedLogits(t, s, readPixels(t, g.PNG), g.Tokens)
		if len(logits) != len(g.Steps) {
			t.Errorf("%s: %d steps, want %d", g.PNG, len(logits), len(g.Steps))
			continue
		}
		worst := 0.0
		for i, step := range g.Steps {
			for k, index := range step.Indices {
				worst = math.Max(worst, math.Abs(float64(logits[i][index])-step.Logits[k]))
			}
		}
		if worst > tolerance {
			t.Errorf("%s: a logit is %g away from PyTorch's, want at most %g", g.PNG, worst, tolerance)
		}
	}
}

func TestTokensAreThoseOfPyTorchInBatchesOfAnySize(t *testing.T) {
	s := openShipped(t, []string{inputPixels}, []string{outputTokens, outputScore})
	all := readGolden(t)
	for _, batch := range []int{1, 3, 8} {
		t.Run(fmt.Sprintf("batches of %d", batch), func(t *testing.T) {
			var pictures [][]byte
			for i := range batch {
				pictures = append(pictures, readPixels(t, all[i%len(all)].PNG))
			}
			tokens, err := s.Run(pictures)
			if err != nil {
				t.Fatal(err)
			}
			for i := range batch {
				checkTokens(t, all[i%len(all)], tokens.Row(i), float64(tokens.Scores[i]))
			}
		})
	}
}

// checkTokens compares up to the first step at which PyTorch was undecided.
func checkTokens(t *testing.T, want golden, got []int64, score float64) {
	t.Helper()
	for i, token := range want.Tokens {
		if want.Margins[i] <= tolerance {
			return
		}
		if i >= len(got) || got[i] != token {
			t.Errorf("%s: tokens %v, want %v", want.PNG, got, want.Tokens)
			return
		}
	}
	if math.Abs(score-want.Score) > tolerance {
		t.Errorf("%s: score %g, want %g", want.PNG, score, want.Score)
	}
}

func TestPicturesOfAnotherSizeAreRefused(t *testing.T) {
	s := openShipped(t, []string{inputPixels}, []string{outputTokens, outputScore})
	if _, err := s.Run([][]byte{make([]byte, 10)}); err == nil {
		t.Error("10 bytes were taken for a picture")
	}
}

// BenchmarkRun reports the time a caption takes in batches of several sizes,
// on one thread.
func BenchmarkRun(b *testing.B) {
	found, _ := runtime.Find("")
	a, err := model.Shipped()
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(found.ONNXRuntime, a.ONNX, a.Input.Width, a.Input.Height, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for _, batch := range []int{1, 8, 16, 32, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			pictures := make([][]byte, batch)
			for i := range pictures {
				pictures[i] = make([]byte, a.Input.Width*a.Input.Height*3)
				for k := range pictures[i] {
					pictures[i][k] = byte(k * (i + 7) >> 8)
				}
			}
			for b.Loop() {
				if _, err := s.Run(pictures); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*batch), "ms/caption")
		})
	}
}
