package model

import (
	"fmt"
	"strconv"
	"strings"

	"shoebox/storage"
)

func lines(text []byte) []string {
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func parseWords(text []byte) ([]storage.PictureWord, error) {
	var words []storage.PictureWord
	for i, line := range lines(text) {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 || fields[0] == "" || fields[2] == "" {
			return nil, fmt.Errorf("words.tsv: line %d is %q, want stem, prior and words, with tabs between", i+1, line)
		}
		prior, err := strconv.ParseFloat(fields[1], 64)
		if err != nil || !(prior > 0 && prior < 1) {
			return nil, fmt.Errorf("words.tsv: line %d has the prior %q, want a share between 0 and 1", i+1, fields[1])
		}
		words = append(words, storage.PictureWord{Stem: fields[0], Prior: prior, Forms: strings.Split(fields[2], ",")})
	}
	return words, nil
}

func parseClasses(text []byte) ([]storage.PictureClass, error) {
	var classes []storage.PictureClass
	for i, line := range lines(text) {
		synset, name, found := strings.Cut(line, "\t")
		if !found || synset == "" || name == "" {
			return nil, fmt.Errorf("classes.txt: line %d is %q, want synset and name, with a tab between", i+1, line)
		}
		classes = append(classes, storage.PictureClass{Synset: synset, Name: name})
	}
	return classes, nil
}
