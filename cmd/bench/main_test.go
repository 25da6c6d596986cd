package main

import (
	"errors"
	"strings"
	"testing"
)

func TestFiguresOfGoBenchmarksAreReadAndTheirMedianTaken(t *testing.T) {
	found := parseGoBench([]byte(`goos: linux
BenchmarkA/one+two  5  33000000 ns/op  33.1 cpu-ms/op
BenchmarkA/one+two  5  35000000 ns/op  35.1 cpu-ms/op
BenchmarkA/one+two  5  34000000 ns/op  34.1 cpu-ms/op
--- SKIP: BenchmarkA/libvips
PASS
`))
	if got, ok := found.median("BenchmarkA/one+two", "cpu-ms/op"); !ok || got != 34.1 {
		t.Errorf("the median is %v, %v, want 34.1", got, ok)
	}
	if _, ok := found.median("BenchmarkA/libvips", "cpu-ms/op"); ok {
		t.Error("what was skipped has a median")
	}
	if names := found.names(); len(names) != 1 {
		t.Errorf("names are %q", names)
	}
}

func TestAWayThatFailsIsNamedInItsRowAndStopsNoOther(t *testing.T) {
	asked := 0
	took := inTurn(3,
		contender{"steady", 4, func() (float64, error) { return 2, nil }},
		contender{"broken", 4, func() (float64, error) { asked++; return 0, errors.New("no module named torch\nTraceback") }},
	)
	if asked != 1 {
		t.Errorf("what failed was asked %d times", asked)
	}
	r := compared("captions", took["steady"], "PyTorch", took["broken"], "")
	if r.figure != "2.0/s" || r.ratio != "" || !strings.Contains(r.beside, "no module named torch") || strings.Contains(r.beside, "Traceback") {
		t.Errorf("the row is %+v", r)
	}
	took["slow"] = measured{seconds: 5}
	if r := compared("captions", took["steady"], "slow", took["slow"], ""); r.ratio != "10.0 times faster" {
		t.Errorf("the row is %+v", r)
	}
}
