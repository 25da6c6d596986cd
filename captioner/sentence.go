package captioner

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentence writes tokens as people do: words up to <eos>, a capital letter
// first and a full stop last. The vocabulary is lower case without
// punctuation (train/data.py states the rule).
func (c *Captioner) sentence(tokens []int64) (string, error) {
	var words []string
	special := c.artifact.SpecialIDs
	for _, id := range tokens {
		if id == special.EOS || id == special.Pad {
			break
		}
		if id < 0 || id >= int64(len(c.artifact.Tokens)) {
			return "", fmt.Errorf("the model wrote token %d, the vocabulary has %d words", id, len(c.artifact.Tokens))
		}
		words = append(words, c.artifact.Tokens[id])
	}
	return capitalise(strings.Join(words, " ")), nil
}

func capitalise(words string) string {
	if words == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(words)
	return string(unicode.ToUpper(first)) + words[size:] + "."
}
