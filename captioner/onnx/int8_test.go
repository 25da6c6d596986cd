package onnx

import (
	"math"
	"testing"

	"shoebox/captioner/model"
	"shoebox/cmd/shoebox/runtime"
)

// byteTolerance is how far the probability of a picture word may be off when
// it is computed in int8.
const byteTolerance = 0.15

func TestAnswersInInt8AreCloseToThoseOfPyTorch(t *testing.T) {
	found, _ := runtime.Find("")
	a, err := model.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	if a.SHA256.ONNXINT8 == "" {
		t.Skip("the shipped model has no int8 graph")
	}
	if a, err = a.In(model.INT8); err != nil {
		t.Fatal(err)
	}
	s, err := Open(options(found.ONNXRuntime, a))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := readGolden(t)
	var pictures [][]byte
	for _, g := range all {
		pictures = append(pictures, readPixels(t, g.PNG))
	}
	together, err := s.Run(pictures)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range all {
		for k, column := range g.Words.Columns {
			if p := float64(together[i].Words[column]); math.Abs(p-g.Words.Probabilities[k]) > byteTolerance {
				t.Errorf("%s: word %d has the probability %g, want %g", g.PNG, column, p, g.Words.Probabilities[k])
			}
		}
		if len(trimmed(together[i].Hypotheses[0].Tokens)) < 3 {
			t.Errorf("%s: the caption is %v", g.PNG, together[i].Hypotheses[0].Tokens)
		}
		// Steps between bytes are the same for every picture, so its neighbours do not matter.
		alone, err := s.Run(pictures[i : i+1])
		if err != nil {
			t.Fatal(err)
		}
		for word, p := range alone[0].Words {
			if math.Abs(float64(p-together[i].Words[word])) > tolerance {
				t.Errorf("%s: word %d has the probability %g alone, %g among others", g.PNG, word, p, together[i].Words[word])
				break
			}
		}
	}
}
