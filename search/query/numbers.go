package query

import (
	"math"
	"strconv"
	"strings"
)

const (
	// maxNumber is beyond what any photo has; it keeps sums finite.
	maxNumber = 1e9
	// rounding is how far what a camera wrote may be from what it meant.
	rounding = 0.02
	// defaultRadius, in metres, is that of near: without one: a town.
	defaultRadius = 10_000
	// maxRadius, in metres, reaches the other side of the globe.
	maxRadius = 20_040_000
	maxLat    = 90
	maxLon    = 180
)

// number reads digits with or without a fraction, and nothing else.
func number(text string) (float64, bool) {
	whole, fraction, dot := strings.Cut(text, ".")
	if !digits(whole) || (dot && !digits(fraction)) {
		return 0, false
	}
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil && x <= maxNumber
}

func digits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// degrees reads a number from -limit to limit.
func degrees(text string, limit float64) (float64, bool) {
	size, negative := strings.CutPrefix(text, "-")
	x, ok := number(size)
	if negative {
		x = -x
	}
	return x, ok && math.Abs(x) <= limit
}

// metres reads a distance, which has a unit.
func metres(text string) (float64, bool) {
	for _, unit := range []struct {
		name   string
		metres float64
	}{{"km", 1000}, {"mi", 1609.344}, {"m", 1}} {
		if size, ok := strings.CutSuffix(text, unit.name); ok {
			x, ok := number(size)
			x *= unit.metres
			return x, ok && x > 0 && x <= maxRadius
		}
	}
	return 0, false
}

// places cuts the text at pos at its commas and reads degrees: north and east
// in turn.
func (p *parser) places(pos int, parts []string) ([]float64, error) {
	values := make([]float64, len(parts))
	for i, part := range parts {
		name, limit := "latitude", float64(maxLat)
		if i%2 == 1 {
			name, limit = "longitude", maxLon
		}
		var ok bool
		if values[i], ok = degrees(part, limit); !ok {
			return nil, p.errorAt(pos, "%q is not a %s (degrees from -%.0f to %.0f, with a point)", part, name, limit, limit)
		}
		pos += len(part) + len(",")
	}
	return values, nil
}

// near reads what follows "near:".
func (p *parser) near() (Node, error) {
	start := p.pos
	text := p.run(endsValue)
	parts := strings.Split(text, ",")
	if len(parts) < 2 || len(parts) > 3 || strings.HasSuffix(text, ",") {
		return nil, p.errorAt(start, `"near:" takes a latitude, a longitude and a radius without spaces (near:48.85,2.35,10km)`)
	}
	values, err := p.places(start, parts[:2])
	if err != nil {
		return nil, err
	}
	n := Near{Lat: values[0], Lon: values[1], Radius: defaultRadius}
	if len(parts) == 3 {
		var ok bool
		if n.Radius, ok = metres(parts[2]); !ok {
			return nil, p.errorAt(p.pos-len(parts[2]), "%q is not a radius (500m, 10km or 6mi; at most half around the globe)", parts[2])
		}
	}
	return n, nil
}

// box reads what follows "box:".
func (p *parser) box() (Node, error) {
	start := p.pos
	parts := strings.Split(p.run(endsValue), ",")
	if len(parts) != 4 {
		return nil, p.errorAt(start, `"box:" takes the degrees of its south, west, north and east without spaces (box:48.8,2.2,48.9,2.4)`)
	}
	v, err := p.places(start, parts)
	if err != nil {
		return nil, err
	}
	n := Box{South: v[0], West: v[1], North: v[2], East: v[3]}
	if n.South > n.North {
		return nil, p.errorAt(start, "the south of the box, %s, is north of its north, %s", parts[0], parts[2])
	}
	return n, nil
}

// figure reads what follows "iso:" and such.
func (p *parser) figure(number Number) (Node, error) {
	start := p.pos
	text := p.run(endsValue)
	if strings.Trim(text, "<=>.") == "" {
		return nil, p.errorAt(start, `missing number after "%s:" (%s)`, number, number.examples())
	}
	if sign := text[:len(text)-len(strings.TrimLeft(text, "<=>"))]; sign != "" {
		x, err := p.value(start+len(sign), number, text[len(sign):])
		if err != nil {
			return nil, err
		}
		n := Range{Number: number, Min: math.Inf(-1), Max: math.Inf(1)}
		switch sign {
		case ">":
			n.Min, n.MinOpen = x, true
		case ">=":
			n.Min = x
		case "<":
			n.Max, n.MaxOpen = x, true
		case "<=":
			n.Max = x
		default:
			return nil, p.errorAt(start, `%q cannot stand before a number (">", ">=", "<" or "<=")`, sign)
		}
		return n, nil
	}
	return p.span(start, number, text)
}

// span reads one value, or two with ".." between them.
func (p *parser) span(start int, number Number, text string) (Node, error) {
	from, to, isRange := strings.Cut(text, "..")
	n := Range{Number: number, Min: math.Inf(-1), Max: math.Inf(1)}
	var err error
	if !isRange {
		x, err := p.value(start, number, text)
		if err != nil {
			return nil, err
		}
		return number.exactly(x), nil
	}
	if from != "" {
		if n.Min, err = p.value(start, number, from); err != nil {
			return nil, err
		}
	}
	if to != "" {
		if n.Max, err = p.value(start+len(from)+len(".."), number, to); err != nil {
			return nil, err
		}
	}
	if n.Min > n.Max {
		return nil, p.errorAt(start, "%q ends before it begins", text)
	}
	return n, nil
}

// value reads a number that stands at pos.
func (p *parser) value(pos int, number Number, text string) (float64, error) {
	x, ok := number.value(text)
	if !ok {
		return 0, p.errorAt(pos, `%q cannot follow "%s:" (%s)`, text, number, number.examples())
	}
	return x, nil
}

// value reads a number with or without n's unit.
func (n Number) value(text string) (float64, bool) {
	switch n {
	case Exposure:
		text = strings.TrimSuffix(text, "s")
		over, under, isFraction := strings.Cut(text, "/")
		if !isFraction {
			return number(text)
		}
		x, ok := number(over)
		y, yok := number(under)
		return x / y, ok && yok && y > 0 && x/y <= maxNumber
	case Focal:
		text = strings.TrimSuffix(text, "mm")
	case Width, Height:
		text = strings.TrimSuffix(text, "px")
	}
	return number(text)
}

// exactly is the range that one value stands for.
func (n Number) exactly(x float64) Range {
	switch n {
	case FNumber, Exposure, Focal:
		return Range{Number: n, Min: x * (1 - rounding), Max: min(x*(1+rounding), maxNumber)}
	default:
		return Range{Number: n, Min: x, Max: x}
	}
}

func (n Number) examples() string {
	switch n {
	case Exposure:
		return "exposure:1/250, exposure:>2s, exposure:1/60..0.5"
	case FNumber:
		return "f:2.8, f:<=4, f:1.4..2.8"
	case Focal:
		return "focal:50mm, focal:>200, focal:24..35"
	case ISO:
		return "iso:800, iso:>800, iso:100..400"
	default:
		return string(n) + ":4000, " + string(n) + ":>=4000, " + string(n) + ":..1024"
	}
}
