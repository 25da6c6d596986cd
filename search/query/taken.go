package query

import (
	"strconv"
	"strings"
	"time"
)

// taken reads what follows "taken:".
func (p *parser) taken() (Node, error) {
	start := p.pos
	text := p.run(endsValue)
	from, to, isRange := strings.Cut(text, "..")
	if from == "" && to == "" {
		return nil, p.errorAt(start, `missing date after "taken:" (taken:2019, taken:2019-05..2020-02)`)
	}
	var n Taken
	var err error
	if n.From, err = p.date(start, from); err != nil {
		return nil, err
	}
	if !isRange {
		n.To = n.From
		return n, nil
	}
	if n.To, err = p.date(start+len(from)+len(".."), to); err != nil {
		return nil, err
	}
	if from != "" && to != "" && n.To.Last().Before(n.From.First()) {
		return nil, p.errorAt(start, "%q ends before it begins", text)
	}
	return n, nil
}

// date reads a date that stands at pos; none is an open end.
func (p *parser) date(pos int, text string) (Date, error) {
	if text == "" {
		return Date{}, nil
	}
	var d Date
	fields := strings.Split(text, "-")
	parts := []*int{&d.Year, &d.Month, &d.Day}
	if len(fields) > len(parts) {
		return Date{}, p.notADate(pos, text)
	}
	for i, field := range fields {
		width := 2
		if i == 0 {
			width = 4
		}
		n, err := strconv.ParseUint(field, 10, 16)
		if err != nil || n == 0 || len(field) != width {
			return Date{}, p.notADate(pos, text)
		}
		*parts[i] = int(n)
	}
	// time.Date turns a day that no calendar has into another one.
	first := d.First()
	if d.Month > 12 || (d.Day > 0 && first.Day() != d.Day) {
		return Date{}, p.errorAt(pos, "%q is no day of the calendar", text)
	}
	return d, nil
}

func (p *parser) notADate(pos int, text string) *Error {
	return p.errorAt(pos, "%q is not a date (2019, 2019-05 or 2019-05-12)", text)
}

// First is the first day of d.
func (d Date) First() time.Time {
	return time.Date(d.Year, time.Month(max(d.Month, 1)), max(d.Day, 1), 0, 0, 0, 0, time.UTC)
}

// Last is the last day of d.
func (d Date) Last() time.Time {
	switch {
	case d.Month == 0:
		return d.First().AddDate(1, 0, -1)
	case d.Day == 0:
		return d.First().AddDate(0, 1, -1)
	default:
		return d.First()
	}
}
