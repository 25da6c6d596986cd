// Package model holds the captioning model that shoebox ships, embedded in
// the binary, and opens another one from a folder of the same layout.
//
// It only reads and checks the files that train/export.py wrote; it never
// runs the network (captioner/onnx does) and never changes an artifact.
package model

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"shoebox/storage"
)

// formatVersion is the layout of the artifact that this shoebox reads.
const formatVersion = 2

// The graph of an artifact that has no int8 model is alone.
//
//go:embed model*.onnx vocabulary.txt words.tsv classes.txt model.json
var shipped embed.FS

// Artifact is a model ready to be run, in one precision.
type Artifact struct {
	Info
	Precision Precision
	ONNX      []byte   // the graph (train/graph.py names its inputs and outputs)
	Tokens    []string // word of each token id
	// Vocabulary says what the graph's outputs words and classes are about,
	// in their order.
	Vocabulary storage.Vocabulary
	// Hash names this model in photos' rows: the SHA-256 of the hashes of
	// the files in use, hexadecimal. Each precision has its own, because it
	// captions some photos otherwise.
	Hash string

	files fs.FS
}

// Info is what model.json says. Fields that only people read (training data,
// metrics, times) are not repeated here.
type Info struct {
	FormatVersion int    `json:"format_version"`
	Name          string `json:"name"`
	Input         struct {
		Width  int `json:"width"`
		Height int `json:"height"`
	} `json:"input"`
	SpecialIDs struct {
		Pad int64 `json:"pad"`
		BOS int64 `json:"bos"`
		EOS int64 `json:"eos"`
		Unk int64 `json:"unk"`
	} `json:"special_ids"`
	MaxLength   int      `json:"max_length"`   // tokens, the last one <eos>
	UnsureBelow *float64 `json:"unsure_below"` // certainty, nats a token
	// UnsureBelowINT8 is the same for the int8 graph; absent: as above.
	UnsureBelowINT8 *float64 `json:"unsure_below_int8"`
	// CPUPrecision is what a CPU is to run that is fast at it; absent: FP32.
	CPUPrecision Precision `json:"cpu_precision"`
	// SmallestProbability is added to the probabilities of picture words
	// before their logarithm is taken.
	SmallestProbability float64 `json:"smallest_probability"`
	SHA256              struct {
		ONNX       string `json:"model.onnx"`
		ONNXINT8   string `json:"model-int8.onnx"` // absent: there is none
		Vocabulary string `json:"vocabulary.txt"`
		Words      string `json:"words.tsv"`
		Classes    string `json:"classes.txt"`
	} `json:"sha256"`
}

// Shipped returns the model inside this binary, in the precision for this
// machine's processor.
func Shipped() (Artifact, error) {
	a, err := read(shipped)
	if err != nil {
		return Artifact{}, fmt.Errorf("the model inside this binary is damaged, build it again: %w", err)
	}
	return a, nil
}

// ShippedHashes are the Hash of the model inside this binary, one for each
// precision that it has. The graphs are not read, which takes 20 ms.
func ShippedHashes() ([]string, error) {
	info, err := readInfo(shipped)
	return info.hashes(), err
}

// Open reads the model in a folder, in the precision for this machine's
// processor. A file that is missing, of another
// format or that does not match its hash is an error; nothing is guessed.
func Open(dir string) (Artifact, error) {
	a, err := read(os.DirFS(dir))
	if err != nil {
		return Artifact{}, fmt.Errorf("model in %s: %w", dir, err)
	}
	return a, nil
}

func read(files fs.FS) (Artifact, error) {
	info, err := readInfo(files)
	if err != nil {
		return Artifact{}, err
	}
	a := Artifact{Info: info, files: files}
	tokens, err := readChecked(files, "vocabulary.txt", a.SHA256.Vocabulary)
	if err != nil {
		return a, err
	}
	words, err := readChecked(files, "words.tsv", a.SHA256.Words)
	if err != nil {
		return a, err
	}
	classes, err := readChecked(files, "classes.txt", a.SHA256.Classes)
	if err != nil {
		return a, err
	}
	a.Tokens, a.Vocabulary.Smallest = lines(tokens), a.SmallestProbability
	if a.Vocabulary.Words, err = parseWords(words); err != nil {
		return a, err
	}
	if a.Vocabulary.Classes, err = parseClasses(classes); err != nil {
		return a, err
	}
	if err := a.check(); err != nil {
		return a, err
	}
	return a.In(a.forCPU())
}

func readInfo(files fs.FS) (info Info, err error) {
	text, err := fs.ReadFile(files, "model.json")
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return info, fmt.Errorf("model.json: %w", err)
	}
	if info.FormatVersion != formatVersion {
		return info, fmt.Errorf("model.json: format %d, this shoebox reads format %d: "+
			"write it again with the train/export.py of this shoebox", info.FormatVersion, formatVersion)
	}
	return info, nil
}

func readChecked(files fs.FS, name, want string) ([]byte, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != want {
		return nil, fmt.Errorf("%s: its SHA-256 is %s, model.json says %s", name, got, want)
	}
	return data, nil
}

// check refuses numbers that the rest of the program could not work with.
func (a *Artifact) check() error {
	words := int64(len(a.Tokens))
	for name, id := range map[string]int64{
		"pad": a.SpecialIDs.Pad, "bos": a.SpecialIDs.BOS, "eos": a.SpecialIDs.EOS, "unk": a.SpecialIDs.Unk,
	} {
		if id < 0 || id >= words {
			return fmt.Errorf("model.json: special id %s = %d, the vocabulary has %d words", name, id, words)
		}
	}
	if a.Input.Width < 1 || a.Input.Width > 2048 || a.Input.Height < 1 || a.Input.Height > 2048 {
		return fmt.Errorf("model.json: input of %dx%d pixels, want 1 to 2048", a.Input.Width, a.Input.Height)
	}
	if classes := len(a.Vocabulary.Classes); classes > math.MaxUint16 { // as storage counts them
		return fmt.Errorf("classes.txt: %d classes, want at most %d", classes, math.MaxUint16)
	}
	if a.UnsureBelow == nil {
		return errors.New("model.json: unsure_below is missing")
	}
	if a.MaxLength < 1 || a.MaxLength > 1000 {
		return fmt.Errorf("model.json: max_length %d, want 1 to 1000", a.MaxLength)
	}
	if s := a.SmallestProbability; s <= 0 || s >= 1 {
		return fmt.Errorf("model.json: smallest_probability %g, want more than 0 and less than 1", s)
	}
	return nil
}
