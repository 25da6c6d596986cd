package flickr30k

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// split puts about a tenth of the pictures aside for measuring. Pictures with
// the same words stay together: a caption that was learnt measures nothing.
// The order is by a hash of words and seed, so that as a library grows few
// pictures change sides.
func split(all []captioned, seed uint64) (learnt, measured []captioned) {
	groups := make(map[[sha256.Size]byte][]captioned)
	for _, c := range all {
		key := sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, words(c.caption)))
		groups[key] = append(groups[key], c)
	}
	keys := make([][sha256.Size]byte, 0, len(groups))
	for key := range groups {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	for i, key := range keys {
		// Without anything to learn from there is nothing to measure.
		if i > 0 && 10*len(measured) < len(all) {
			measured = append(measured, groups[key]...)
		} else {
			learnt = append(learnt, groups[key]...)
		}
	}
	byName := func(a, b captioned) int { return cmp.Compare(a.name, b.name) }
	slices.SortFunc(learnt, byName)
	slices.SortFunc(measured, byName)
	return learnt, measured
}

// words is a caption without what train/ does not tell apart.
func words(caption string) string {
	isBetween := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	return strings.Join(strings.FieldsFunc(strings.ToLower(caption), isBetween), " ")
}
