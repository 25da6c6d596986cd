package storage

import (
	"errors"
	"math"
)

// ErrUnknownModel is returned for a model whose vocabulary is not known.
var ErrUnknownModel = errors.New("there is no such model, or none of its words are known")

// Seen is what a model says of a picture besides its caption.
type Seen struct {
	// Others are the captions that the model did not choose, the best first:
	// the order weighs length as well as likelihood.
	Others []OtherCaption
	// Words holds Vocabulary.Evidence of each picture word; nil: the model
	// has none.
	Words []byte
	// Classes are the likeliest of ImageNet's classes, the likeliest first:
	// at most MostClasses, each at least as probable as LeastProbable.
	Classes []ClassShare
	// Model is the hash of the model whose Vocabulary gives Words and Classes
	// their meaning; empty: no model has looked at the picture. It is not the
	// caption's when another wrote that.
	Model string
}

// OtherCaption is a caption that a model did not choose.
type OtherCaption struct {
	Text       string  `json:"text"`
	Likelihood float64 `json:"likelihood"` // log-probability of its words, nats
}

// ClassShare is how probable a class is for a picture.
type ClassShare struct {
	Class       int     // a place in Vocabulary.Classes
	Probability float64 // from 0 to 1; stored in steps of 1/255
}

// How many of the classes are kept, and which are too improbable for that: a
// guess that costs at most 15 bytes a photo.
const (
	MostClasses   = 5
	LeastProbable = 0.02
)

// Vocabulary fixes the meaning of Seen.Words and Seen.Classes. It is a model's
// and never changes for its hash.
type Vocabulary struct {
	Smallest float64        `json:"smallest_probability"` // added to both probabilities of a log-odds
	Words    []PictureWord  `json:"words"`
	Classes  []PictureClass `json:"classes"`
}

// PictureWord is a word that people use of pictures, by its stem.
type PictureWord struct {
	Stem  string   `json:"stem"`  // by Porter's original stemmer (train/heads.py)
	Prior float64  `json:"prior"` // share of the training's captions that use it
	Forms []string `json:"forms"` // the words that people wrote for it, the commonest first
}

// PictureClass is one of ImageNet's classes.
type PictureClass struct {
	Synset string `json:"synset"` // WordNet's, such as n03063599
	Name   string `json:"name"`   // one or several, joined by commas
}

// LogOdds says how much likelier a word is for a picture than for any, in
// nats, by its probability for the picture. A search ranks pictures by the sum
// over the words of the query.
func (v *Vocabulary) LogOdds(word int, probability float64) float64 {
	return math.Log(probability+v.Smallest) - math.Log(v.Words[word].Prior+v.Smallest)
}

// evidenceSteps is how many steps of Evidence a nat has, and noEvidence the
// byte of a word that is as likely as for any picture: a byte reaches from -8
// nats to just below 8, and rounding costs 1/32 nat.
const (
	evidenceSteps = 16
	noEvidence    = 128
)

// Evidence is LogOdds in a byte, EvidenceNats its inverse.
func (v *Vocabulary) Evidence(word int, probability float64) byte {
	steps := math.Round(evidenceSteps * v.LogOdds(word, probability))
	return byte(min(max(noEvidence+steps, 0), math.MaxUint8))
}

// Probability is the inverse of Evidence: what a model said of a word to give
// it, from 0 to 1, as precisely as a byte tells.
func (v *Vocabulary) Probability(word int, evidence byte) float64 {
	p := math.Exp(EvidenceNats(evidence))*(v.Words[word].Prior+v.Smallest) - v.Smallest
	return min(max(p, 0), 1)
}

// EvidenceNats is the log-odds that a byte of Evidence stands for, in nats.
func EvidenceNats(evidence byte) float64 {
	return (float64(evidence) - noEvidence) / evidenceSteps
}
