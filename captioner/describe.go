package captioner

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"shoebox/captioner/model"
	"shoebox/captioner/onnx"
	"shoebox/storage"
)

// Description is everything the model says about a picture. It takes about
// 10 kB, most of it Words and Classes: who keeps many keeps less of each.
type Description struct {
	Caption storage.Caption // the best hypothesis; its Score is the certainty
	Others  []Other         // the other hypotheses, the best first: the order weighs length as well
	// Words holds for each picture word (Captioner.Words) the probability that
	// a person would use it for this picture, from 0 to 1.
	Words []float32
	// Classes holds the probability of each of ImageNet's classes
	// (Captioner.Classes); their sum is 1.
	Classes []float32
}

// Other is a caption that the model did not choose.
type Other struct {
	Text       string
	Likelihood float64 // log-probability of its words, nats
}

// Describe says everything about each picture that the model can say: pixels
// as picture.Decode gives them for Size. It is not slower than Caption. The
// descriptions are in the order of the pictures.
func (c *Captioner) Describe(pictures [][]byte) ([]Description, error) {
	answers, err := c.session.Run(pictures)
	if err != nil {
		return nil, err
	}
	descriptions := make([]Description, len(pictures))
	for i, answer := range answers {
		if descriptions[i], err = c.describe(answer); err != nil {
			return nil, err
		}
	}
	return descriptions, nil
}

func (c *Captioner) describe(answer onnx.Answer) (Description, error) {
	d := Description{Words: answer.Words, Classes: answer.Classes}
	if len(d.Words) != len(c.artifact.Words) || len(d.Classes) != len(c.artifact.Classes) {
		return d, fmt.Errorf("the model knows %d picture words and %d classes, words.tsv has %d and classes.txt %d",
			len(d.Words), len(d.Classes), len(c.artifact.Words), len(c.artifact.Classes))
	}
	for _, p := range slices.Concat(d.Words, d.Classes) {
		if !(p >= 0 && p <= 1) {
			return d, fmt.Errorf("the model gives the probability %g", p)
		}
	}
	for i, hypothesis := range answer.Hypotheses {
		text, err := c.sentence(hypothesis.Tokens)
		if err != nil {
			return d, err
		}
		score, likelihood := float64(hypothesis.Certainty), float64(hypothesis.Likelihood)
		if math.IsNaN(score+likelihood) || math.IsInf(score+likelihood, 0) {
			return d, fmt.Errorf("the model gives the certainty %g and the likelihood %g", score, likelihood)
		}
		if i > 0 {
			d.Others = append(d.Others, Other{Text: text, Likelihood: likelihood})
			continue
		}
		d.Caption = storage.Caption{
			Text:   text,
			Score:  score,
			Unsure: score < *c.artifact.UnsureBelow,
			Model:  c.artifact.Hash,
		}
	}
	return d, nil
}

// Words are the picture words, in the order of Description.Words.
func (c *Captioner) Words() []model.Word { return c.artifact.Words }

// Classes are ImageNet's, in the order of Description.Classes.
func (c *Captioner) Classes() []model.Class { return c.artifact.Classes }

// Likely is a picture word that says something about a picture.
type Likely struct {
	Word        string // as people write it most often
	Probability float64
}

// LooksLike returns the n picture words, or fewer, that tell most about a
// picture: those that are likelier than for any picture, by probability times
// log-odds. By log-odds alone words would win that hardly any picture shows,
// nor this one; by probability alone "man" and "two".
func (c *Captioner) LooksLike(d Description, n int) []Likely {
	tells := make([]float64, len(d.Words))
	var likelier []int
	for word, p := range d.Words {
		if tells[word] = float64(p) * c.artifact.LogOdds(word, float64(p)); tells[word] > 0 {
			likelier = append(likelier, word)
		}
	}
	slices.SortStableFunc(likelier, func(a, b int) int { return cmp.Compare(tells[b], tells[a]) })
	found := make([]Likely, 0, n)
	for _, word := range likelier[:min(n, len(likelier))] {
		found = append(found, Likely{c.artifact.Words[word].Forms[0], float64(d.Words[word])})
	}
	return found
}
