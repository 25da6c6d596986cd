// Package onnx runs a captioning graph in ONNX Runtime.
//
// It knows tensors, shapes and the runtime's C library, which is loaded at
// run time; it never decodes pictures and knows nothing of words.
package onnx

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Names of the graph's inputs and outputs, as train/graph.py writes them.
const (
	inputPixels = "pixels" // uint8 [batch, height, width, 3]
	inputBeams  = "beams"  // int64, hypotheses a picture; optional
	inputForced = "forced" // int64 [batch, n], -1: choose; optional

	outputTokens     = "tokens"     // int64 [batch, beams, length], <eos> then <pad>
	outputLikelihood = "likelihood" // float32 [batch, beams], nats
	outputCertainty  = "certainty"  // float32 [batch, beams], nats a token
	outputLogits     = "logits"     // float32 [batch, length, vocabulary], of the first beam
	outputWords      = "words"      // float32 [batch, picture words], probabilities
	outputClasses    = "classes"    // float32 [batch, classes], probabilities
)

// wanted are the outputs that Run takes; the graph has more.
var wanted = []string{outputTokens, outputLikelihood, outputCertainty, outputWords, outputClasses}

// Session is a graph loaded into the runtime. It may be used by many
// goroutines; each Run uses all of the session's threads.
type Session struct {
	session       *ort.DynamicAdvancedSession
	width, height int
}

// Answer is what the graph says about one picture.
type Answer struct {
	Hypotheses []Hypothesis // the best first; never empty
	Words      []float32    // probability of each picture word
	Classes    []float32    // probability of each class
}

// Hypothesis is one caption of a picture.
type Hypothesis struct {
	Tokens     []int64 // <eos>, then <pad>
	Likelihood float32 // log-probability of the tokens, nats
	Certainty  float32 // minus the mean entropy of each token's choice, nats
}

var load struct {
	once sync.Once
	path string
	err  error
}

// loadLibrary loads libonnxruntime once in the life of the process.
func loadLibrary(path string) error {
	load.once.Do(func() {
		load.path = path
		if _, load.err = os.Stat(path); load.err != nil {
			return
		}
		ort.SetSharedLibraryPath(path)
		load.err = ort.InitializeEnvironment(ort.WithLogLevelError())
	})
	if load.err != nil {
		return fmt.Errorf("load ONNX Runtime from %s: %w", path, load.err)
	}
	if load.path != path {
		return fmt.Errorf("load ONNX Runtime from %s: %s is loaded already", path, load.path)
	}
	return nil
}

// Open loads the runtime from library and the graph, for pictures of
// width x height pixels, to run on the given number of threads.
func Open(library string, graph []byte, width, height, threads int) (*Session, error) {
	return open(library, graph, width, height, threads, []string{inputPixels}, wanted)
}

func open(library string, graph []byte, width, height, threads int, inputs, outputs []string) (*Session, error) {
	if err := loadLibrary(library); err != nil {
		return nil, err
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	defer options.Destroy()
	err = errors.Join(
		options.SetIntraOpNumThreads(threads),
		options.SetInterOpNumThreads(1),
		options.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
	)
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(graph, inputs, outputs, options)
	if err != nil {
		return nil, fmt.Errorf("load the graph: %w", err)
	}
	return &Session{session: session, width: width, height: height}, nil
}

// Run captions a batch, with as many hypotheses a picture as the graph has by
// itself. Each picture holds width*height*3 bytes, RGB, row by row.
func (s *Session) Run(pictures [][]byte) ([]Answer, error) {
	pixels, err := s.pixels(pictures)
	if err != nil {
		return nil, err
	}
	defer pixels.Destroy()
	return s.run(len(pictures), pixels)
}

func (s *Session) run(pictures int, inputs ...ort.Value) ([]Answer, error) {
	outputs := make([]ort.Value, len(wanted))
	if err := s.session.Run(inputs, outputs); err != nil {
		return nil, fmt.Errorf("run the model on %d pictures: %w", pictures, err)
	}
	defer destroy(outputs)
	return answers(outputs, pictures)
}

func (s *Session) pixels(pictures [][]byte) (*ort.Tensor[uint8], error) {
	size := s.width * s.height * 3
	batch := make([]byte, 0, len(pictures)*size)
	for i, p := range pictures {
		if len(p) != size {
			return nil, fmt.Errorf("picture %d of the batch has %d bytes of pixels, the model takes %d", i, len(p), size)
		}
		batch = append(batch, p...)
	}
	shape := ort.NewShape(int64(len(pictures)), int64(s.height), int64(s.width), 3)
	t, err := ort.NewTensor(shape, batch)
	if err != nil {
		return nil, fmt.Errorf("pixels of %d pictures: %w", len(pictures), err)
	}
	return t, nil
}

// answers copies the outputs out of the runtime's memory.
func answers(outputs []ort.Value, pictures int) ([]Answer, error) {
	tokens, ok := outputs[0].(*ort.Tensor[int64])
	if !ok || len(tokens.GetShape()) != 3 || tokens.GetShape()[0] != int64(pictures) || tokens.GetShape()[1] < 1 {
		return nil, fmt.Errorf("the model answers tokens %v for %d pictures", outputs[0].GetShape(), pictures)
	}
	beams, length := int(tokens.GetShape()[1]), int(tokens.GetShape()[2])
	rows := make([][]float32, len(wanted)) // of tokens none
	for i, output := range outputs[1:] {
		row, ok := output.(*ort.Tensor[float32])
		if !ok || len(row.GetShape()) != 2 || row.GetShape()[0] != int64(pictures) {
			return nil, fmt.Errorf("the model answers %s %v for %d pictures", wanted[i+1], output.GetShape(), pictures)
		}
		rows[i+1] = row.GetData()
	}
	likelihood, certainty, words, classes := rows[1], rows[2], rows[3], rows[4]
	if len(likelihood) != pictures*beams || len(certainty) != pictures*beams {
		return nil, fmt.Errorf("the model answers %d hypotheses with %d likelihoods and %d certainties",
			pictures*beams, len(likelihood), len(certainty))
	}
	all := make([]Answer, pictures)
	for i := range all {
		all[i] = Answer{Words: part(words, i, pictures), Classes: part(classes, i, pictures)}
		for k := i * beams; k < (i+1)*beams; k++ {
			all[i].Hypotheses = append(all[i].Hypotheses, Hypothesis{
				Tokens:     slices.Clone(tokens.GetData()[k*length : (k+1)*length]),
				Likelihood: likelihood[k],
				Certainty:  certainty[k],
			})
		}
	}
	return all, nil
}

// part returns a copy of the i-th of n equal parts.
func part(all []float32, i, n int) []float32 {
	size := len(all) / n
	return slices.Clone(all[i*size : (i+1)*size])
}

func destroy(values []ort.Value) {
	for _, v := range values {
		if v != nil {
			v.Destroy()
		}
	}
}

// Close frees the session. The runtime stays loaded.
func (s *Session) Close() error { return s.session.Destroy() }
