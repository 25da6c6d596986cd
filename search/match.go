package search

import (
	"math"

	"shoebox/search/columns"
	"shoebox/search/query"
)

// matcher finds photos in a block of the columns. Slots without a photo may be
// among them: the search drops those.
type matcher interface {
	// match sets the bits of the photos that match.
	match(b *columns.Block, into *columns.Bits)
	// score adds the evidence for the photos whose bits are set, in sixteenths
	// of a nat, to into, which has BlockSize places.
	score(b *columns.Block, of *columns.Bits, into []int32)
}

// every matches what all of its parts match, and adds up their evidence.
type every []matcher

func (m every) match(b *columns.Block, into *columns.Bits) {
	for i, part := range m {
		if i == 0 {
			part.match(b, into)
			continue
		}
		var bits columns.Bits
		part.match(b, &bits)
		into.And(&bits)
	}
}

func (m every) score(b *columns.Block, of *columns.Bits, into []int32) {
	for _, part := range m {
		part.score(b, of, into)
	}
}

// sum matches what any of its parts matches, and adds up the evidence of all:
// the more of it a photo shows, the better.
type sum []matcher

func (m sum) match(b *columns.Block, into *columns.Bits) { either(m).match(b, into) }

func (m sum) score(b *columns.Block, of *columns.Bits, into []int32) { every(m).score(b, of, into) }

// either matches what any of its parts matches, by the best evidence.
type either []matcher

func (m either) match(b *columns.Block, into *columns.Bits) {
	for _, part := range m {
		var bits columns.Bits
		part.match(b, &bits)
		into.Or(&bits)
	}
}

func (m either) score(b *columns.Block, of *columns.Bits, into []int32) {
	best := make([]int32, columns.BlockSize)
	for i, part := range m {
		scores := make([]int32, columns.BlockSize)
		part.score(b, of, scores)
		of.Each(func(place int) {
			if i == 0 || scores[place] > best[place] {
				best[place] = scores[place]
			}
		})
	}
	of.Each(func(place int) { into[place] += best[place] })
}

// not matches what its part does not, and is no evidence for anything.
type not struct{ part matcher }

func (m not) match(b *columns.Block, into *columns.Bits) {
	var bits columns.Bits
	m.part.match(b, &bits)
	into.OrAtLeast(b.Flags(), 1)
	into.AndNot(&bits)
}

func (not) score(*columns.Block, *columns.Bits, []int32) {}

// filter matches photos by a column of facts and is no evidence.
type filter func(b *columns.Block, into *columns.Bits)

func (f filter) match(b *columns.Block, into *columns.Bits) { f(b, into) }

func (filter) score(*columns.Block, *columns.Bits, []int32) {}

// within filters by the values of a column.
func within[T any](column func(*columns.Block) []T, holds func(T) bool) matcher {
	return filter(func(b *columns.Block, into *columns.Bits) {
		for place, value := range column(b) {
			if holds(value) {
				into.Set(place)
			}
		}
	})
}

// box filters by a part of the globe.
func box(q query.Box) matcher {
	south, north := scaled(q.South), scaled(q.North)
	west, east := scaled(q.West), scaled(q.East)
	return filter(func(b *columns.Block, into *columns.Bits) {
		flags, lats, lons := b.Flags(), b.Lats(), b.Lons()
		for place, lat := range lats {
			if lat < south || lat > north || flags[place]&columns.HasPlace == 0 {
				continue
			}
			lon := lons[place]
			if west <= east && lon >= west && lon <= east || west > east && (lon >= west || lon <= east) {
				into.Set(place)
			}
		}
	})
}

func scaled(degrees float64) int32 { return int32(math.Round(degrees * columns.PlaceScale)) }

// earthRadius is the mean radius in metres (IUGG).
const earthRadius = 6_371_008.8

// near filters by the distance along the surface of a sphere (haversine).
func near(q query.Near) matcher {
	radians := func(degrees float64) float64 { return degrees * math.Pi / 180 }
	lat, lon := radians(q.Lat), radians(q.Lon)
	// What is too far north or south needs no more than a comparison.
	reach := q.Radius / earthRadius * 180 / math.Pi
	south, north := scaled(max(q.Lat-reach, -90)), scaled(min(q.Lat+reach, 90))
	most := math.Sin(min(q.Radius/(2*earthRadius), math.Pi/2))
	return filter(func(b *columns.Block, into *columns.Bits) {
		flags, lats, lons := b.Flags(), b.Lats(), b.Lons()
		for place, at := range lats {
			if at < south || at > north || flags[place]&columns.HasPlace == 0 {
				continue
			}
			otherLat := radians(float64(at) / columns.PlaceScale)
			otherLon := radians(float64(lons[place]) / columns.PlaceScale)
			a, o := math.Sin((otherLat-lat)/2), math.Sin((otherLon-lon)/2)
			if a*a+math.Cos(lat)*math.Cos(otherLat)*o*o <= most*most {
				into.Set(place)
			}
		}
	})
}
