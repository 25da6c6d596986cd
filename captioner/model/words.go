package model

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Word is a picture word: a stem that people use in captions.
type Word struct {
	Stem  string   // Porter's original stemmer (train/heads.py)
	Prior float64  // share of the training's captions that use it
	Forms []string // the words that people wrote for it, the commonest first
}

// Class is one of ImageNet's classes.
type Class struct {
	Synset string // WordNet's, such as n03063599
	Name   string // one or several, joined by commas
}

// LogOdds says how much likelier a word is for a picture than for any, in
// nats, by its probability for the picture. A search ranks pictures by the sum
// over the words of the query.
func (a *Artifact) LogOdds(word int, probability float64) float64 {
	s := a.SmallestProbability
	return math.Log(probability+s) - math.Log(a.Words[word].Prior+s)
}

func lines(text []byte) []string {
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func parseWords(text []byte) ([]Word, error) {
	var words []Word
	for i, line := range lines(text) {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 || fields[0] == "" || fields[2] == "" {
			return nil, fmt.Errorf("words.tsv: line %d is %q, want stem, prior and words, with tabs between", i+1, line)
		}
		prior, err := strconv.ParseFloat(fields[1], 64)
		if err != nil || !(prior > 0 && prior < 1) {
			return nil, fmt.Errorf("words.tsv: line %d has the prior %q, want a share between 0 and 1", i+1, fields[1])
		}
		words = append(words, Word{Stem: fields[0], Prior: prior, Forms: strings.Split(fields[2], ",")})
	}
	return words, nil
}

func parseClasses(text []byte) ([]Class, error) {
	var classes []Class
	for i, line := range lines(text) {
		synset, name, found := strings.Cut(line, "\t")
		if !found || synset == "" || name == "" {
			return nil, fmt.Errorf("classes.txt: line %d is %q, want synset and name, with a tab between", i+1, line)
		}
		classes = append(classes, Class{Synset: synset, Name: name})
	}
	return classes, nil
}
