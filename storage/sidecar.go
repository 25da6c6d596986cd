package storage

import (
	"cmp"
	"strings"
)

// Sidecar is what people wrote about a picture in a file beside it. The zero
// value of each field means that the sidecar does not say.
type Sidecar struct {
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
	People      []string `json:"people,omitempty"`
	// Rating is stars, 0 to 5; 0 takes away those that the file has.
	Rating *int `json:"rating,omitempty"`
}

// IsZero reports whether a sidecar says nothing.
func (s Sidecar) IsZero() bool {
	return s.Title == "" && s.Description == "" && len(s.Keywords)+len(s.People) == 0 && s.Rating == nil
}

// Merge lays the sidecars of a photo's files, in the order of their paths, over
// what is in the files themselves. Of titles, descriptions and ratings the
// first sidecar's counts; keywords and people are those of all, each once.
func (m *Metadata) Merge(sidecars []Sidecar) {
	if len(sidecars) == 0 {
		return
	}
	var title, description string
	var rating *int
	keywords, people := [][]string{m.Keywords}, [][]string{m.People}
	for _, s := range sidecars {
		title, description = cmp.Or(title, s.Title), cmp.Or(description, s.Description)
		rating = cmp.Or(rating, s.Rating)
		keywords, people = append(keywords, s.Keywords), append(people, s.People)
	}
	m.Title, m.Description = cmp.Or(title, m.Title), cmp.Or(description, m.Description)
	m.Keywords, m.People = united(keywords), united(people)
	if rating != nil {
		m.Rating = *rating
	}
}

// united has each name of the lists once, however it is capitalised.
func united(lists [][]string) (all []string) {
	known := make(map[string]bool)
	for _, list := range lists {
		for _, name := range list {
			if folded := strings.ToLower(name); !known[folded] {
				known[folded] = true
				all = append(all, name)
			}
		}
	}
	return all
}
