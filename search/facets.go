package search

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"shoebox/search/columns"
)

// Facets count the photos of a result by what they have in common.
type Facets struct {
	Years   []Facet `json:"years"`   // "2019", the latest first
	Months  []Facet `json:"months"`  // "2019-05", the latest first
	Cameras []Facet `json:"cameras"` // the most photos first, like Folders
	Folders []Facet `json:"folders"` // of each photo's first file, absolute
}

// Facet is a value and how many photos have it.
type Facet struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// mostFacets is how many values of a kind are given.
const mostFacets = 100

// counter counts photos block by block.
type counter struct {
	months           map[int]int // months since the year 0
	cameras, folders []int       // by number of the name
}

func newCounter() *counter { return &counter{months: make(map[int]int)} }

func (c *counter) add(b *columns.Block, found *columns.Bits) {
	taken, cameras, folders := b.Taken(), b.Cameras(), b.Folders()
	lastDay, lastMonth := int64(-1<<62), 0
	found.Each(func(place int) {
		if t := taken[place]; t != columns.NoTime {
			// Photos of a day stand together: the calendar is asked once.
			if day := (t - ((t%86400)+86400)%86400) / 86400; day != lastDay {
				at := time.Unix(t, 0).UTC()
				lastDay, lastMonth = day, at.Year()*12+int(at.Month())-1
			}
			c.months[lastMonth]++
		}
		c.cameras = counted(c.cameras, cameras[place])
		c.folders = counted(c.folders, folders[place])
	})
}

// merge adds what another counted.
func (c *counter) merge(other *counter) {
	for month, n := range other.months {
		c.months[month] += n
	}
	c.cameras = sums(c.cameras, other.cameras)
	c.folders = sums(c.folders, other.folders)
}

func sums(a, b []int) []int {
	if len(a) < len(b) {
		a, b = b, a
	}
	for i, n := range b {
		a[i] += n
	}
	return a
}

func counted(counts []int, id uint32) []int {
	if int(id) >= len(counts) {
		counts = append(counts, make([]int, int(id)+1-len(counts))...)
	}
	counts[id]++
	return counts
}

func (c *counter) facets(view *columns.View) (*Facets, error) {
	f := &Facets{Years: []Facet{}, Months: []Facet{}}
	years := make(map[int]int)
	for month, n := range c.months {
		years[month/12] += n
		f.Months = append(f.Months, Facet{fmt.Sprintf("%04d-%02d", month/12, month%12+1), n})
	}
	for year, n := range years {
		f.Years = append(f.Years, Facet{fmt.Sprintf("%04d", year), n})
	}
	latest := func(a, b Facet) int { return cmp.Compare(b.Value, a.Value) }
	slices.SortFunc(f.Years, latest)
	slices.SortFunc(f.Months, latest)
	f.Years, f.Months = first(f.Years), first(f.Months)
	var err error
	if f.Cameras, err = named(c.cameras, view, columns.Cameras); err != nil {
		return nil, err
	}
	f.Folders, err = named(c.folders, view, columns.Folders)
	return f, err
}

// named are the counts of names, the most photos first.
func named(counts []int, view *columns.View, kind columns.Kind) ([]Facet, error) {
	names, err := view.Names(kind)
	if err != nil {
		return nil, err
	}
	// Of many folders only those that may be among the first are ordered.
	least := 1
	if len(counts) > mostFacets {
		sorted := slices.Sorted(slices.Values(counts))
		least = max(least, sorted[len(sorted)-mostFacets-1]) // one of them is of no name
	}
	found := []Facet{}
	for id, n := range counts {
		if id > 0 && id < len(names) && n >= least {
			found = append(found, Facet{names[id], n})
		}
	}
	slices.SortFunc(found, func(a, b Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return first(found), nil
}

func first(all []Facet) []Facet { return all[:min(len(all), mostFacets)] }
