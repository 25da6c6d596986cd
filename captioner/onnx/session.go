// Package onnx runs a captioning graph in ONNX Runtime.
//
// It knows tensors, shapes and the runtime's C library, which is loaded at
// run time; it never decodes pictures and knows nothing of words.
package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Names of the graph's inputs and outputs, as train/graph.py writes them.
const (
	inputPixels = "pixels" // uint8 [batch, height, width, 3]
	inputBeams  = "beams"  // int64, hypotheses a picture; optional
	inputForced = "forced" // int64 [batch, n], -1: choose; optional

	outputTokens     = "tokens"          // int64 [batch, beams, length], <eos> then <pad>
	outputLikelihood = "likelihood"      // float32 [batch, beams], nats
	outputCertainty  = "certainty"       // float32 [batch, beams], nats a token
	outputLogits     = "logits"          // float32 [batch, length, vocabulary], of the first beam
	outputWords      = "words"           // float32 [batch, picture words], probabilities
	outputClasses    = "classes"         // float32 [batch, classes], probabilities
	outputLooks      = "cross_attention" // float32 [batch, length, rows, columns], of the first beam; older graphs have none
)

// wanted are the outputs that Run takes, and outputLooks where there is one;
// the graph has more.
var wanted = []string{outputTokens, outputLikelihood, outputCertainty, outputWords, outputClasses}

// Options are what a Session is made of.
type Options struct {
	Library       string // path of libonnxruntime.so
	Graph         []byte
	Width, Height int  // of the pictures, pixels
	Threads       int  // that a Run uses on the processor
	CUDA          bool // run on an NVIDIA GPU; CheckCUDA says whether that can be tried
}

// Session is a graph loaded into the runtime. It may be used by many
// goroutines; each Run uses all of the session's threads.
type Session struct {
	session       *ort.DynamicAdvancedSession
	width, height int
	outputs       []string
	// runBatch is one call of the runtime; tests have others.
	runBatch func(pictures [][]byte) ([]Answer, error)
	batches  batchLimit
	buffers  sync.Pool // of *[]byte: pixels of batches
	// after is called after each Run: on CUDA it puts the signal handlers back.
	after func()
}

// Answer is what the graph says about one picture.
type Answer struct {
	Hypotheses []Hypothesis // the best first; never empty
	Words      []float32    // probability of each picture word
	Classes    []float32    // probability of each class
	Looks      Looks        // zero where the graph does not say
}

// Looks says where the graph looked for each token of the best hypothesis:
// shares that add up to 1 for a token, [token][row][column], the first row at
// the top. Those of <eos> and what comes after it mean nothing.
type Looks struct {
	Rows, Columns int
	Shares        []float32
}

// Hypothesis is one caption of a picture.
type Hypothesis struct {
	Tokens     []int64 // <eos>, then <pad>
	Likelihood float32 // log-probability of the tokens, nats
	Certainty  float32 // minus the mean entropy of each token's choice, nats
}

// Open loads the runtime and the graph. What NVIDIA's libraries do to the
// process's signal handlers is undone.
func Open(o Options) (*Session, error) {
	outputs := wanted
	if hasOutput(o.Graph, outputLooks) {
		outputs = append(slices.Clone(wanted), outputLooks)
	}
	return open(o, []string{inputPixels}, outputs)
}

// hasOutput says whether a graph has a value of that name: in the file it is
// the first field of what declares it, behind its length. Asking the runtime
// would load the graph a second time.
func hasOutput(graph []byte, name string) bool {
	return bytes.Contains(graph, append([]byte{0x0a, byte(len(name))}, name...))
}

func open(o Options, inputs, outputs []string) (*Session, error) {
	after := func() {}
	if o.CUDA {
		after = keepHandlers()
		defer after()
	}
	options, err := sessionOptions(o)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	s, err := newSession(o, options, inputs, outputs)
	if err == nil {
		s.after = after
	}
	return s, err
}

func newSession(o Options, options *ort.SessionOptions, inputs, outputs []string) (*Session, error) {
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(o.Graph, inputs, outputs, options)
	if err != nil {
		return nil, fmt.Errorf("load the graph: %w", err)
	}
	s := &Session{session: session, width: o.Width, height: o.Height, outputs: outputs, after: func() {}}
	s.runBatch = s.runPixels
	return s, nil
}

func sessionOptions(o Options) (options *ort.SessionOptions, err error) {
	if err := loadLibrary(o.Library); err != nil {
		return nil, err
	}
	if options, err = ort.NewSessionOptions(); err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	err = errors.Join(
		options.SetIntraOpNumThreads(o.Threads),
		options.SetInterOpNumThreads(1),
		options.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		// Threads that spin while they wait for each other take twice the
		// processor time of a run, from whatever else the machine is doing.
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		// Products of bytes that do not saturate, on processors without VNNI.
		options.AddSessionConfigEntry("session.x64quantprecision", "1"),
	)
	if err == nil && o.CUDA {
		err = appendCUDA(options, o.Library)
	}
	if err != nil {
		options.Destroy()
		return nil, fmt.Errorf("session options: %w", err)
	}
	return options, nil
}

// Run captions a batch, with as many hypotheses a picture as the graph has by
// itself. Each picture holds width*height*3 bytes, RGB, row by row. A batch
// that does not fit into the device's memory is run in parts.
func (s *Session) Run(pictures [][]byte) ([]Answer, error) {
	return s.batches.run(pictures, s.runBatch)
}

func (s *Session) runPixels(pictures [][]byte) ([]Answer, error) {
	pixels, err := s.pixels(pictures)
	if err != nil {
		return nil, err
	}
	defer func() {
		batch := pixels.GetData()
		pixels.Destroy()
		s.buffers.Put(&batch)
	}()
	return s.run(len(pictures), pixels)
}

func (s *Session) run(pictures int, inputs ...ort.Value) ([]Answer, error) {
	outputs := make([]ort.Value, len(s.outputs))
	err := s.session.Run(inputs, outputs)
	s.after()
	if err != nil {
		return nil, fmt.Errorf("run the model on %d pictures: %w", pictures, err)
	}
	defer destroy(outputs)
	return answers(outputs, pictures)
}

func (s *Session) pixels(pictures [][]byte) (*ort.Tensor[uint8], error) {
	size := s.width * s.height * 3
	var batch []byte
	if kept, ok := s.buffers.Get().(*[]byte); ok {
		batch = (*kept)[:0]
	}
	batch = slices.Grow(batch, len(pictures)*size)
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
	for i, output := range outputs[1:len(wanted)] {
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
	looks, err := looksOf(outputs[len(wanted):], pictures, length)
	if err != nil {
		return nil, err
	}
	all := make([]Answer, pictures)
	for i := range all {
		all[i] = Answer{Words: part(words, i, pictures), Classes: part(classes, i, pictures), Looks: looks}
		all[i].Looks.Shares = part(looks.Shares, i, pictures)
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

// looksOf reads where the graph looked for all pictures, if it says so.
func looksOf(outputs []ort.Value, pictures, length int) (Looks, error) {
	if len(outputs) == 0 {
		return Looks{}, nil
	}
	shape := outputs[0].GetShape()
	shares, ok := outputs[0].(*ort.Tensor[float32])
	if !ok || len(shape) != 4 || shape[0] != int64(pictures) || shape[1] != int64(length) {
		return Looks{}, fmt.Errorf("the model answers %s %v for %d pictures of %d tokens", outputLooks, shape, pictures, length)
	}
	return Looks{Rows: int(shape[2]), Columns: int(shape[3]), Shares: shares.GetData()}, nil
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
