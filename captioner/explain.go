package captioner

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Explanation is a Description and where the model looked for each word of the
// caption.
type Explanation struct {
	Description
	Columns, Rows int    // of each Share; together they cover the whole upright picture
	Looks         []Look // one a word of Caption.Text, in their order
}

// Look is where the model looked while it wrote a word.
type Look struct {
	Word       string // as the caption has it, without the full stop
	Start, End int    // the word is Caption.Text[Start:End]
	// Share is how much of the attention each cell of the picture got, row by
	// row from the top left; they add up to 1. An even look has 1/(Columns*Rows)
	// everywhere, a word for one thing 2 to 5 times as much at its place.
	Share []float32
}

// ErrNoLooks says that a model does not tell where it looks, because an older
// train/export.py wrote it.
var ErrNoLooks = errors.New("this model does not tell where it looks: write it again with the train/export.py of this shoebox")

// Explain describes a picture as Describe does and says where the model looked,
// at no further cost. Without Looks the error is ErrNoLooks and the rest of the
// Explanation is there.
func (c *Captioner) Explain(pixels []byte) (Explanation, error) {
	answers, err := c.session.Run([][]byte{pixels})
	if err != nil {
		return Explanation{}, err
	}
	answer := answers[0]
	described, err := c.describe(answer)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Description: described, Columns: answer.Looks.Columns, Rows: answer.Looks.Rows}
	if len(answer.Looks.Shares) == 0 {
		return e, ErrNoLooks
	}
	e.Looks, err = looks(described.Caption.Text, answer.Looks.Shares, e.Columns*e.Rows)
	return e, err
}

// looks cuts the shares of all tokens into those of the caption's words: a
// sentence has a word a token, and shares of tokens after them mean nothing.
func looks(sentence string, shares []float32, cells int) ([]Look, error) {
	words := strings.Fields(strings.TrimSuffix(sentence, "."))
	if cells < 1 || len(words)*cells > len(shares) {
		return nil, fmt.Errorf("the model says of %d cells where it looked for %d words", len(shares), len(words))
	}
	all, from := make([]Look, len(words)), 0
	for i, word := range words {
		start := from + strings.Index(sentence[from:], word)
		from = start + len(word)
		all[i] = Look{Word: word, Start: start, End: from, Share: shares[i*cells : (i+1)*cells]}
		for _, share := range all[i].Share {
			if !(share >= 0) || math.IsInf(float64(share), 0) {
				return nil, fmt.Errorf("the model gives %g of its attention to a place", share)
			}
		}
	}
	return all, nil
}
