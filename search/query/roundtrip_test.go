package query

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// writer writes queries at random.
type writer struct {
	*rand.Rand
	left int // terms until no more groups are opened
}

func (w *writer) query() string {
	orders := []string{"", "", "sort:date", " sort:Oldest", "sort:name", "sort:relevance"}
	w.left = 12
	return w.pick(orders...) + w.pick(" ", "\t") + w.either(6) + " " + w.pick(orders[:2]...)
}

func (w *writer) either(depth int) string {
	sides := make([]string, 1+w.IntN(3))
	for i := range sides {
		clauses := make([]string, 1+w.IntN(3))
		for j := range clauses {
			clauses[j] = w.pick("", "", "-") + w.atom(depth)
		}
		sides[i] = strings.Join(clauses, w.pick(" ", "  ", "\n"))
	}
	return strings.Join(sides, " OR ")
}

func (w *writer) atom(depth int) string {
	if w.left--; depth > 0 && w.left > 0 && w.IntN(3) == 0 {
		return "(" + w.pick("", " ") + w.either(depth-1) + ")"
	}
	return w.pick("dog", "é-1", "or", "snow*", "brige~", `"in (the) OR"`, "“snow”", "@my-trip",
		"camera:canon", `lens:"EF 50mm"`, "folder:/a/b_c.d*", "name:OR", `name:"a:b"`,
		"taken:2019", "taken:2019-05..2020-02-29", "taken:..2020", "taken:2019..",
		"has:gps", "by:me", "BY:model", w.place(), w.figure())
}

func (w *writer) place() string {
	lat, lon := w.Float64()*180-90, w.Float64()*360-180
	if w.IntN(2) == 0 {
		return fmt.Sprintf("near:%.*f,%.*f,%s%s", w.IntN(9), lat, w.IntN(9), lon, w.number(1000), w.pick("m", "km", "mi"))
	}
	return fmt.Sprintf("box:%.3f,%.*f,%.3f,%.5f", lat, w.IntN(9), lon, lat+w.Float64()*(90-lat), -lon)
}

func (w *writer) figure() string {
	field := w.pick("iso", "f", "exposure", "focal", "width", "height")
	x := w.number(1e9)
	if w.IntN(2) == 0 {
		x = w.number(100)
	}
	unit := map[string]string{"exposure": "s", "focal": "mm", "width": "px", "height": "px"}[field]
	if field == "exposure" && w.IntN(2) == 0 {
		x = "1/" + x
	}
	return field + ":" + w.pick("", "", ">", ">=", "<", "<=", "..") + x + w.pick("", unit)
}

// number is from 1 to limit.
func (w *writer) number(limit float64) string {
	return fmt.Sprintf("%.*f", w.IntN(12), 1+w.Float64()*(limit-1))
}

func (w *writer) pick(choices ...string) string { return choices[w.IntN(len(choices))] }

func TestWhatParsesPrintsAsItself(t *testing.T) {
	w := &writer{Rand: rand.New(rand.NewPCG(7, 7))}
	for range 3000 {
		text := w.query()
		q, err := Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		checkRoundTrip(t, q)
		if printed := q.String(); mustParse(t, printed).String() != printed {
			t.Fatalf("%q is not printed as itself", printed)
		}
	}
}

func mustParse(t *testing.T, text string) Query {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
