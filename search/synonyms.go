package search

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// shippedSynonyms are everybody's.
//
//go:embed synonyms.txt
var shippedSynonyms string

// synonyms tell by which other words a word is found too.
type synonyms struct {
	language *language
	words    map[string][]string // stem -> words
}

// newSynonyms reads the shipped list and a person's own, which need not exist.
// A line is "bike = bicycle = cycle", each found by all, or "puppy, kitten >
// pet", found by pet too; # begins a comment.
func newSynonyms(l *language, own string) (*synonyms, error) {
	s := &synonyms{l, make(map[string][]string)}
	if err := s.read(shippedSynonyms); err != nil {
		return nil, fmt.Errorf("the shipped synonyms: %w", err)
	}
	text, err := os.ReadFile(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := s.read(string(text)); err != nil {
		return nil, &UseError{fmt.Sprintf("%s: %v", own, err)}
	}
	return s, nil
}

func (s *synonyms) read(text string) error {
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		narrow, wide, oneWay := strings.Cut(line, ">")
		if !oneWay {
			narrow, wide = line, line
		}
		from, to := wordsOf(narrow), wordsOf(wide)
		if len(from) == 0 || len(to) == 0 || !oneWay && len(from) < 2 || strings.Contains(wide, ">") {
			return fmt.Errorf("line %d: %q is neither \"bike = bicycle\" nor \"puppy > dog\"", n, strings.TrimSpace(line))
		}
		for _, asked := range to {
			s.add(asked, from)
		}
	}
	return lines.Err()
}

// add makes a word found by others. Only the words of the list are synonyms,
// not theirs again.
func (s *synonyms) add(asked string, others []string) {
	key := run{stems: terms(s.language.stem, asked)}
	key.setSeen(asked)
	stem := key.seen
	if stem == "" {
		return // several words: only the other way round
	}
	for _, other := range others {
		if other != asked && !slices.Contains(s.words[stem], other) {
			s.words[stem] = append(s.words[stem], other)
		}
	}
}

// of are the words by which a word is found too.
func (s *synonyms) of(word []run) (found []string) {
	for _, r := range word {
		found = append(found, s.words[r.seen]...)
	}
	return found
}

// wordsOf are the words of a side of a line.
func wordsOf(side string) (words []string) {
	for _, word := range strings.FieldsFunc(side, func(r rune) bool { return r == '=' || r == ',' }) {
		if word = strings.ToLower(strings.TrimSpace(word)); word != "" {
			words = append(words, word)
		}
	}
	return words
}
