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

// tolerance is how far logits, sums of them and probabilities may be from
// PyTorch's; near is how small its margin is where rounding may have chosen
// other tokens (train/parity.py).
const (
	tolerance = 1e-3
	near      = 1e-4
)

var goldenDir = filepath.Join("..", "model", "golden")

// golden is PyTorch's answer about a picture (train/golden.py).
type golden struct {
	PNG      string   `json:"png"`
	Searches []search `json:"searches"`
	// Steps are logits of greedy decoding, the first search.
	Steps []struct {
		Indices []int     `json:"indices"`
		Logits  []float64 `json:"logits"`
	} `json:"steps"`
	Words   likeliest `json:"words"`
	Classes likeliest `json:"classes"`
}

// search is what was found with a number of beams, the best first.
type search struct {
	Beams      int64     `json:"beams"`
	Margin     float64   `json:"margin"` // how near other tokens were, nats
	Tokens     [][]int64 `json:"tokens"`
	Likelihood []float64 `json:"likelihood"`
	Certainty  []float64 `json:"certainty"`
}

type likeliest struct {
	Columns       []int     `json:"columns"`
	Probabilities []float64 `json:"probabilities"`
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
	if a, err = a.In(model.FP32); err != nil {
		t.Fatal(err)
	}
	s, err := open(options(found.ONNXRuntime, a), inputs, outputs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// options are for one thread of the processor.
func options(library string, a model.Artifact) Options {
	return Options{Library: library, Graph: a.ONNX, Width: a.Input.Width, Height: a.Input.Height, Threads: 1}
}

// forcedLogits runs the graph with given tokens and returns the logits of
// each step of greedy decoding, [step][vocabulary].
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
	greedy := beams(t, 1)
	defer greedy.Destroy()
	outputs := []ort.Value{nil}
	if err := s.session.Run([]ort.Value{picture, forced, greedy}, outputs); err != nil {
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

// beams is the graph's input of that name.
func beams(t testing.TB, n int64) *ort.Scalar[int64] {
	t.Helper()
	scalar, err := ort.NewScalar(n)
	if err != nil {
		t.Fatal(err)
	}
	return scalar
}

func TestLogitsAreThoseOfPyTorch(t *testing.T) {
	s := openShipped(t, []string{inputPixels, inputForced, inputBeams}, []string{outputLogits})
	for _, g := range readGolden(t) {
		logits := forcedLogits(t, s, readPixels(t, g.PNG), g.Searches[0].Tokens[0])
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

func TestAnswersAreThoseOfPyTorchInBatchesOfAnySize(t *testing.T) {
	s := openShipped(t, []string{inputPixels, inputBeams}, wanted)
	all := readGolden(t)
	for search := range all[0].Searches {
		width := all[0].Searches[search].Beams
		for _, batch := range []int{1, 3, 8} {
			t.Run(fmt.Sprintf("%d beams, batches of %d", width, batch), func(t *testing.T) {
				var pictures [][]byte
				for i := range batch {
					pictures = append(pictures, readPixels(t, all[i%len(all)].PNG))
				}
				pixels, err := s.pixels(pictures)
				if err != nil {
					t.Fatal(err)
				}
				defer pixels.Destroy()
				n := beams(t, width)
				defer n.Destroy()
				answers, err := s.run(batch, pixels, n)
				if err != nil {
					t.Fatal(err)
				}
				for i, answer := range answers {
					g := all[i%len(all)]
					checkHypotheses(t, g.PNG, g.Searches[search], answer.Hypotheses)
					checkLikeliest(t, g.PNG, g.Words, answer.Words)
					checkLikeliest(t, g.PNG, g.Classes, answer.Classes)
				}
			})
		}
	}
}

// TestTheGraphSearchesWithTheBeamsOfItsArtifact runs it as programs do.
func TestTheGraphSearchesWithTheBeamsOfItsArtifact(t *testing.T) {
	s := openShipped(t, []string{inputPixels}, wanted)
	g := readGolden(t)[0]
	answers, err := s.Run([][]byte{readPixels(t, g.PNG)})
	if err != nil {
		t.Fatal(err)
	}
	found := slices.IndexFunc(g.Searches, func(s search) bool { return int(s.Beams) == len(answers[0].Hypotheses) })
	if found < 0 {
		t.Fatalf("%d hypotheses, golden.json has none of so many", len(answers[0].Hypotheses))
	}
	checkHypotheses(t, g.PNG, g.Searches[found], answers[0].Hypotheses)
}

// checkHypotheses compares what was found, unless PyTorch was undecided.
func checkHypotheses(t *testing.T, png string, want search, got []Hypothesis) {
	t.Helper()
	if len(got) != len(want.Tokens) {
		t.Errorf("%s: %d hypotheses, want %d", png, len(got), len(want.Tokens))
		return
	}
	for k, hypothesis := range got {
		if !slices.Equal(trimmed(hypothesis.Tokens), trimmed(want.Tokens[k])) {
			if want.Margin > near {
				t.Errorf("%s: hypothesis %d is %v, want %v", png, k, hypothesis.Tokens, want.Tokens[k])
			}
			continue
		}
		likelihood, certainty := float64(hypothesis.Likelihood), float64(hypothesis.Certainty)
		if math.Abs(likelihood-want.Likelihood[k]) > tolerance || math.Abs(certainty-want.Certainty[k]) > tolerance {
			t.Errorf("%s: hypothesis %d has the likelihood %g and the certainty %g, want %g and %g",
				png, k, likelihood, certainty, want.Likelihood[k], want.Certainty[k])
		}
	}
}

// trimmed cuts off the <pad> at the end: a batch is as long as its longest.
func trimmed(tokens []int64) []int64 {
	for len(tokens) > 0 && tokens[len(tokens)-1] == 0 {
		tokens = tokens[:len(tokens)-1]
	}
	return tokens
}

func checkLikeliest(t *testing.T, png string, want likeliest, got []float32) {
	t.Helper()
	for i, column := range want.Columns {
		if p := float64(got[column]); math.Abs(p-want.Probabilities[i]) > tolerance {
			t.Errorf("%s: column %d has the probability %g, want %g", png, column, p, want.Probabilities[i])
		}
	}
}

func TestPicturesOfAnotherSizeAreRefused(t *testing.T) {
	s := openShipped(t, []string{inputPixels}, wanted)
	if _, err := s.Run([][]byte{make([]byte, 10)}); err == nil {
		t.Error("10 bytes were taken for a picture")
	}
}

// BenchmarkRun reports the time a picture takes in batches of several sizes, on
// one thread. SHOEBOX_BENCH_MODEL names the folder of another model.
func BenchmarkRun(b *testing.B) {
	found, _ := runtime.Find("")
	a, err := model.Shipped()
	if dir := os.Getenv("SHOEBOX_BENCH_MODEL"); dir != "" {
		a, err = model.Open(dir)
	}
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(options(found.ONNXRuntime, a))
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
