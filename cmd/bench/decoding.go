package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// decoding runs the Go benchmarks of captioner/picture, which have the rivals in
// them, and takes the medians of their processor time.
func (b *bench) decoding(ctx context.Context) error {
	jpeg, err := b.goBench(ctx, "TwelveMegapixelJPEG", "-cpu=1", "-benchtime=5x", fmt.Sprintf("-count=%d", b.rounds))
	if err != nil {
		return err
	}
	const plain, goOnly, turbo = "image+jpeg_and_x+image_CatmullRom", "picture_with_jpegn", "picture_with_libturbojpeg"
	for _, kind := range []string{"baseline", "progressive"} {
		cost := func(way string) (float64, string) {
			median, ok := jpeg.median("BenchmarkTwelveMegapixelJPEG/"+kind+"/"+way, "cpu-ms/op")
			if !ok {
				return 0, "not installed"
			}
			return median, fmt.Sprintf("%.0f ms", median)
		}
		for _, r := range []struct{ name, ours, theirs, rival, goal string }{
			{"libturbojpeg", turbo, plain, "image/jpeg + x/image CatmullRom", "at least 7 times faster"},
			{"jpegn", goOnly, plain, "image/jpeg + x/image CatmullRom", "at least 5 times faster"},
			{"libturbojpeg", turbo, "libvips", "libvips", "at most 1.1 times its time"},
		} {
			ours, figure := cost(r.ours)
			theirs, other := cost(r.theirs)
			ratio := faster(theirs, ours)
			if r.theirs == "libvips" && ours > 0 && theirs > 0 {
				ratio = fmt.Sprintf("%.2f times its time", ours/theirs)
			}
			if kind != "baseline" {
				r.goal = ""
			}
			b.add(row{fmt.Sprintf("decode + resize of a %s 12 MP JPEG, a core, %s", kind, r.name), figure, r.rival + ": " + other, ratio, r.goal})
		}
	}
	formats, err := b.goBench(ctx, "Formats", "-cpu=1", "-benchtime=2x")
	if err != nil {
		return err
	}
	for _, name := range formats.names() {
		cpu, _ := formats.median(name, "CPU-ms")
		peak, _ := formats.median(name, "MB-peak")
		what := strings.ReplaceAll(strings.TrimPrefix(name, "BenchmarkFormats/"), "_", " ")
		b.add(row{what: "decode + resize of " + what, figure: fmt.Sprintf("%.0f ms, %.0f MB", cpu, peak)})
	}
	return nil
}

// faster says how many times less ours is than theirs.
func faster(theirs, ours float64) string {
	if theirs <= 0 || ours <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1f times faster", theirs/ours)
}

// results are the figures of Go benchmarks: by name, by unit.
type results map[string]map[string][]float64

// goBench runs benchmarks of captioner/picture. What skips is not there.
func (b *bench) goBench(ctx context.Context, name string, flags ...string) (results, error) {
	args := append([]string{"test", "./captioner/picture", "-run=^$", "-bench=" + name}, flags...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	if b.raw != "" {
		file, err := os.OpenFile(b.raw, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		if _, err = file.Write(out); err != nil {
			return nil, err
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
	return parseGoBench(out), nil
}

// parseGoBench reads lines like
//
//	BenchmarkName/case   5   33112233 ns/op   33.1 cpu-ms/op
func parseGoBench(out []byte) results {
	found := make(results)
	for line := range bytes.Lines(out) {
		fields := strings.Fields(string(line))
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if found[fields[0]] == nil {
			found[fields[0]] = make(map[string][]float64)
		}
		for pair := range slices.Chunk(fields[2:], 2) {
			if value, err := strconv.ParseFloat(pair[0], 64); err == nil && len(pair) == 2 {
				found[fields[0]][pair[1]] = append(found[fields[0]][pair[1]], value)
			}
		}
	}
	return found
}

func (r results) median(name, unit string) (float64, bool) {
	values := r[name][unit]
	return median(values), len(values) > 0
}

func (r results) names() []string {
	names := make([]string, 0, len(r))
	for name := range r {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// median is the middle one; 0 without any.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
