package captioner

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"shoebox/captioner/onnx"
	"shoebox/storage"
)

// Description is everything the model says about a picture. Caption and Seen
// are what is kept of it, 2 kB; the probabilities take 10.
type Description struct {
	Caption storage.Caption // the best hypothesis; its Score is the certainty
	Seen    storage.Seen
	// Words holds for each picture word of the Vocabulary the probability that
	// a person would use it for this picture, from 0 to 1.
	Words []float32
	// Classes holds the probability of each of ImageNet's classes; their sum
	// is 1.
	Classes []float32
}

// Describe says everything about each picture that the model can say: pixels
// as picture.Decode gives them for Size. The descriptions are in the order of
// the pictures.
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
	v := &c.artifact.Vocabulary
	if len(d.Words) != len(v.Words) || len(d.Classes) != len(v.Classes) {
		return d, fmt.Errorf("the model knows %d picture words and %d classes, words.tsv has %d and classes.txt %d",
			len(d.Words), len(d.Classes), len(v.Words), len(v.Classes))
	}
	for _, p := range slices.Concat(d.Words, d.Classes) {
		if !(p >= 0 && p <= 1) {
			return d, fmt.Errorf("the model gives the probability %g", p)
		}
	}
	d.Seen = storage.Seen{Words: evidence(v, d.Words), Classes: likeliest(d.Classes), Model: c.artifact.Hash}
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
			d.Seen.Others = append(d.Seen.Others, storage.OtherCaption{Text: text, Likelihood: round(likelihood)})
			continue
		}
		d.Caption = storage.Caption{
			Text:   text,
			Score:  score,
			Unsure: score < c.artifact.Threshold(),
			Model:  c.artifact.Hash,
		}
	}
	return d, nil
}

// round keeps a thousandth of a nat: more digits say nothing and take room.
func round(nats float64) float64 { return math.Round(nats*1000) / 1000 }

func evidence(v *storage.Vocabulary, probabilities []float32) []byte {
	words := make([]byte, len(probabilities))
	for word, p := range probabilities {
		words[word] = v.Evidence(word, float64(p))
	}
	return words
}

// likeliest are the classes that are worth keeping.
func likeliest(probabilities []float32) []storage.ClassShare {
	var shares []storage.ClassShare
	for class, p := range probabilities {
		if p >= storage.LeastProbable {
			shares = append(shares, storage.ClassShare{Class: class, Probability: float64(p)})
		}
	}
	slices.SortStableFunc(shares, func(a, b storage.ClassShare) int { return cmp.Compare(b.Probability, a.Probability) })
	return shares[:min(storage.MostClasses, len(shares))]
}

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
		if tells[word] = float64(p) * c.artifact.Vocabulary.LogOdds(word, float64(p)); tells[word] > 0 {
			likelier = append(likelier, word)
		}
	}
	slices.SortStableFunc(likelier, func(a, b int) int { return cmp.Compare(tells[b], tells[a]) })
	found := make([]Likely, 0, n)
	for _, word := range likelier[:min(n, len(likelier))] {
		found = append(found, Likely{c.artifact.Vocabulary.Words[word].Forms[0], float64(d.Words[word])})
	}
	return found
}
