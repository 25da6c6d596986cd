package search

import (
	"math"

	"shoebox/search/columns"
	"shoebox/search/query"
)

// matcher finds photos in a block of the columns.
type matcher interface {
	// narrow drops the bits of the photos that do not match.
	narrow(b *columns.Block, found *columns.Bits)
	// score adds the evidence for the photos whose bits are set, in sixteenths
	// of a nat, to into, which has BlockSize places.
	score(b *columns.Block, of *columns.Bits, into []int32)
}

// every matches what all of its parts match, and adds up their evidence.
type every []matcher

func (m every) narrow(b *columns.Block, found *columns.Bits) {
	for _, part := range m {
		if _, isFilter := part.(filter); !isFilter {
			part.narrow(b, found)
		}
	}
	// Filters look at photo after photo: at what the words have left.
	for _, part := range m {
		if f, isFilter := part.(filter); isFilter {
			f.narrow(b, found)
		}
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

func (m sum) narrow(b *columns.Block, found *columns.Bits) { either(m).narrow(b, found) }

func (m sum) score(b *columns.Block, of *columns.Bits, into []int32) { every(m).score(b, of, into) }

// either matches what any of its parts matches, by the best evidence.
type either []matcher

func (m either) narrow(b *columns.Block, found *columns.Bits) {
	var any columns.Bits
	for _, part := range m {
		bits := *found
		part.narrow(b, &bits)
		any.Or(&bits)
	}
	*found = any
}

func (m either) score(b *columns.Block, of *columns.Bits, into []int32) {
	best := make([]int32, columns.BlockSize)
	scores := make([]int32, columns.BlockSize)
	for i, part := range m {
		clear(scores)
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

func (m not) narrow(b *columns.Block, found *columns.Bits) {
	bits := *found
	m.part.narrow(b, &bits)
	found.AndNot(&bits)
}

func (not) score(*columns.Block, *columns.Bits, []int32) {}

// filter matches photos by their facts and is no evidence. For a block it
// returns what holds for the photos that match.
type filter func(b *columns.Block) func(place int) bool

func (f filter) narrow(b *columns.Block, found *columns.Bits) {
	if !found.IsEmpty() {
		found.Keep(f(b))
	}
}

func (filter) score(*columns.Block, *columns.Bits, []int32) {}

// within filters by the values of a column.
func within[T any](column func(*columns.Block) []T, holds func(T) bool) matcher {
	return filter(func(b *columns.Block) func(place int) bool {
		values := column(b)
		return func(place int) bool { return holds(values[place]) }
	})
}

// box filters by a part of the globe.
func box(q query.Box) matcher {
	south, north := scaled(q.South), scaled(q.North)
	west, east := scaled(q.West), scaled(q.East)
	return filter(func(b *columns.Block) func(place int) bool {
		flags, lats, lons := b.Flags(), b.Lats(), b.Lons()
		return func(place int) bool {
			lat, lon := lats[place], lons[place]
			if lat < south || lat > north || flags[place]&columns.HasPlace == 0 {
				return false
			}
			if west > east { // across the date line
				return lon >= west || lon <= east
			}
			return lon >= west && lon <= east
		}
	})
}

func scaled(degrees float64) int32 { return int32(math.Round(degrees * columns.PlaceScale)) }

// earthRadius is the mean radius in metres (IUGG).
const earthRadius = 6_371_008.8

// fullTurn is 360 degrees.
const fullTurn = 360 * columns.PlaceScale

func abs(x int64) int64 { return max(x, -x) }

// near filters by the distance along the surface of a sphere (haversine).
func near(q query.Near) matcher {
	radians := func(degrees float64) float64 { return degrees * math.Pi / 180 }
	lat, lon := radians(q.Lat), radians(q.Lon)
	// What is too far north or south needs no more than a comparison.
	reach := q.Radius / earthRadius * 180 / math.Pi
	south, north := scaled(max(q.Lat-reach, -90)), scaled(min(q.Lat+reach, 90))
	// So does what is too far east or west, unless the circle holds a pole.
	width := 180.0
	if widest := math.Sin(min(q.Radius/earthRadius, math.Pi/2)); math.Abs(q.Lat)+reach < 90 {
		width = math.Asin(min(1, widest/math.Cos(lat))) * 180 / math.Pi
	}
	east, far := scaled(q.Lon), int64(math.Ceil(width*columns.PlaceScale))
	most := math.Sin(min(q.Radius/(2*earthRadius), math.Pi/2))
	return filter(func(b *columns.Block) func(place int) bool {
		flags, lats, lons := b.Flags(), b.Lats(), b.Lons()
		return func(place int) bool {
			at := lats[place]
			if at < south || at > north || flags[place]&columns.HasPlace == 0 {
				return false
			}
			if distance := int64(lons[place]) - int64(east); min(abs(distance), fullTurn-abs(distance)) > far {
				return false
			}
			otherLat := radians(float64(at) / columns.PlaceScale)
			otherLon := radians(float64(lons[place]) / columns.PlaceScale)
			a, o := math.Sin((otherLat-lat)/2), math.Sin((otherLon-lon)/2)
			return a*a+math.Cos(lat)*math.Cos(otherLat)*o*o <= most*most
		}
	})
}
