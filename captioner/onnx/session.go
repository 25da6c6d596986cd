// Package onnx runs a captioning graph in ONNX Runtime.
//
// It knows tensors, shapes and the runtime's C library, which is loaded at
// run time; it never decodes pictures and knows nothing of words.
package onnx

import (
	"errors"
	"fmt"
	"os"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Names of the graph's inputs and outputs, as train/export.py writes them.
const (
	inputPixels  = "pixels" // uint8 [batch, height, width, 3]
	inputForced  = "forced" // int64 [batch, n], -1: choose; optional
	outputTokens = "tokens" // int64 [batch, length], <eos> then <pad>
	outputScore  = "score"  // float32 [batch], how sure, nats a token
	outputLogits = "logits" // float32 [batch, length, vocabulary]
)

// Session is a graph loaded into the runtime. It may be used by many
// goroutines; each Run uses all of the session's threads.
type Session struct {
	session       *ort.DynamicAdvancedSession
	width, height int
}

// Tokens is what the graph wrote about a batch.
type Tokens struct {
	IDs    []int64 // [batch*Length]
	Length int
	Scores []float32 // [batch]
}

// Row returns the tokens of one picture of the batch.
func (t Tokens) Row(i int) []int64 { return t.IDs[i*t.Length : (i+1)*t.Length] }

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
	return open(library, graph, width, height, threads,
		[]string{inputPixels}, []string{outputTokens, outputScore})
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

// Run captions a batch. Each picture holds width*height*3 bytes, RGB, row
// by row.
func (s *Session) Run(pictures [][]byte) (Tokens, error) {
	pixels, err := s.pixels(pictures)
	if err != nil {
		return Tokens{}, err
	}
	defer pixels.Destroy()
	outputs := []ort.Value{nil, nil}
	if err := s.session.Run([]ort.Value{pixels}, outputs); err != nil {
		return Tokens{}, fmt.Errorf("run the model on %d pictures: %w", len(pictures), err)
	}
	defer destroy(outputs)
	return tokens(outputs[0], outputs[1], len(pictures))
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

// tokens copies the outputs out of the runtime's memory.
func tokens(ids, scores ort.Value, batch int) (Tokens, error) {
	i, ok1 := ids.(*ort.Tensor[int64])
	s, ok2 := scores.(*ort.Tensor[float32])
	if !ok1 || !ok2 || len(i.GetShape()) != 2 || i.GetShape()[0] != int64(batch) || len(s.GetData()) != batch {
		return Tokens{}, fmt.Errorf("the model answers tokens %v and scores %v for %d pictures", ids.GetShape(), scores.GetShape(), batch)
	}
	return Tokens{
		IDs:    append([]int64(nil), i.GetData()...),
		Length: int(i.GetShape()[1]),
		Scores: append([]float32(nil), s.GetData()...),
	}, nil
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
