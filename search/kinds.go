package search

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"

	"shoebox/storage"
)

// kindsFile has, for each of ImageNet's classes, the words that people would
// search it by: its names and those of its kinds, by WordNet (train/kinds.py).
//
//go:embed kinds.tsv
var kindsFile string

// What the classes of a picture, which a model gives beside its picture words,
// are worth.
const (
	// kindShare is how much of a kind's probability is added to that of the
	// picture word of the same name, before the logarithm.
	kindShare = 0.2
	// likelyKind is the least probability at which a picture is found by a
	// kind that no picture word names. About half of those are right.
	likelyKind = 0.2
)

// kindsOf are the names by synset.
var kindsOf = sync.OnceValue(func() map[string][]string {
	kinds := make(map[string][]string)
	for line := range strings.Lines(kindsFile) {
		synset, names, _ := strings.Cut(strings.TrimSpace(line), "\t")
		kinds[synset] = strings.Split(names, ",")
	}
	return kinds
})

// kinds are what a picture shows by its classes: name -> probability, the sum
// over the classes that are of the kind.
func (v *vocabulary) kinds(classes []storage.ClassShare) map[string]float64 {
	kinds := make(map[string]float64)
	for _, class := range classes {
		if class.Class < len(v.synsets) {
			for _, name := range kindsOf()[v.synsets[class.Class]] {
				kinds[name] += class.Probability
			}
		}
	}
	return kinds
}

// foldKinds adds a picture's kinds to the evidence for words of the same name.
func (v *vocabulary) foldKinds(evidence []byte, kinds map[string]float64) {
	for name, share := range kinds {
		i, known := v.places[stemOfWhole(name)]
		if !known {
			continue
		}
		p := v.Probability(i, evidence[i]) + kindShare*share
		evidence[i] = max(evidence[i], v.Evidence(i, min(p, 1)))
	}
}

// likelyKinds are the words of the kinds that a picture likely shows, for the
// index of texts.
func (v *vocabulary) likelyKinds(classes []storage.ClassShare) string {
	kinds := v.kinds(classes)
	maps.DeleteFunc(kinds, func(_ string, share float64) bool { return share < likelyKind })
	return strings.Join(slices.Sorted(maps.Keys(kinds)), " ")
}
