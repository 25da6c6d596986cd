package search

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"shoebox/storage"
)

// A photo has a byte of evidence for each picture word of its model, made from
// all that is known about it: what the model sees (storage.Vocabulary.Evidence)
// and, folded into the same byte when the photo is indexed, what is said. So a
// query reads one column for a word, whatever it was found by.
//
// The figures come from testdata/measure_recall.py (ARCHITECTURE.md, "Search").
const (
	// nat is what a nat of log-odds is in evidence; neutral is the evidence of
	// a word that is as likely for the photo as for any.
	nat     = 16
	neutral = 128

	// saidByModel is what the model's caption, and likewise another caption of
	// the beam, adds to the evidence for its words: little, since it was made
	// from the same picture.
	saidByModel = 6

	// From these probabilities on a picture surely, likely or possibly shows
	// a word. Photos that likely do are what a search counts; those that only
	// may come behind them; those that surely do are left out by -word.
	sure     = 0.3
	likely   = 0.05
	possible = 0.005
)

// vocabulary is a model's picture words as search uses them.
type vocabulary struct {
	storage.Vocabulary
	model   string
	places  map[string]int // stem -> its place among the words
	synsets []string       // of the classes
	// By word: the least evidence with which a picture surely, likely and
	// possibly shows it, and that of a word that a person wrote.
	sure, likely, possible, person []byte
}

// noWords is the vocabulary of photos that no model has looked at.
var noWords = &vocabulary{}

func newVocabulary(model string, v storage.Vocabulary) *vocabulary {
	known := &vocabulary{Vocabulary: v, model: model, places: make(map[string]int, len(v.Words))}
	for i, word := range v.Words {
		known.places[word.Stem] = i
		known.sure = append(known.sure, v.Evidence(i, sure))
		known.likely = append(known.likely, v.Evidence(i, likely))
		known.possible = append(known.possible, v.Evidence(i, possible))
		known.person = append(known.person, v.Evidence(i, 1))
	}
	for _, class := range v.Classes {
		known.synsets = append(known.synsets, class.Synset)
	}
	return known
}

// fold adds what is said about a photo to what is seen in it, in place. What
// the caption says, the picture likely shows; the other captions of the beam
// only make their words more likely. A person's word has the probability 1 and
// no more, so that rare words count more than common ones whoever writes them;
// it always comes before the model's.
func (v *vocabulary) fold(evidence []byte, said stems) {
	each := func(stems []string, become func(i int) byte) {
		for _, stem := range stems {
			if i, known := v.places[stem]; known {
				evidence[i] = become(i)
			}
		}
	}
	more := func(e byte) byte { return min(e, 255-saidByModel) + saidByModel }
	each(said.others, func(i int) byte { return more(evidence[i]) })
	each(said.caption, func(i int) byte { return more(max(evidence[i], v.likely[i])) })
	for i, most := range v.person {
		evidence[i] = min(evidence[i], most-1)
	}
	each(said.person, func(i int) byte { return v.person[i] })
}

// stems are those of what is said about a photo.
type stems struct {
	caption []string // the caption's
	others  []string // the beam's other captions, without the caption's
	person  []string // what people wrote
}

// vocabularyFile is where a generation keeps a model's vocabulary.
func (g *generation) vocabularyFile(model string) string {
	return filepath.Join(g.columnsDir(), "vocabulary-"+model+".json")
}

// vocabulary returns that of a model that the columns hold.
func (g *generation) vocabulary(model string) (*vocabulary, error) {
	if model == "" {
		return noWords, nil
	}
	if v, ok := g.vocabularies.Load(model); ok {
		return v.(*vocabulary), nil
	}
	data, err := os.ReadFile(g.vocabularyFile(model))
	if err != nil {
		return nil, damaged(g.path, err)
	}
	var stored storage.Vocabulary
	if err := json.Unmarshal(data, &stored); err != nil {
		return nil, damaged(g.path, err)
	}
	for _, b := range g.columns.View().Blocks {
		if b.Model == model && b.Words != len(stored.Words) {
			return nil, damaged(g.path, fmt.Sprintf("%d words of model %s, %d expected", len(stored.Words), model, b.Words))
		}
	}
	v := newVocabulary(model, stored)
	g.vocabularies.Store(model, v)
	return v, nil
}

// keepVocabulary makes a model's vocabulary durable before the first photo
// with its words is written.
func (g *generation) keepVocabulary(model string, v storage.Vocabulary) error {
	path := g.vocabularyFile(model)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeDurably(path, data)
}

// writeDurably makes a file appear whole or not at all.
func writeDurably(path string, data []byte) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
