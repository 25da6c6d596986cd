// Command bench measures shoebox on this machine and prints one table: decoding
// and the captioner beside what a user could take instead, whole runs of `index`
// beside the sum of their stages and as the library grows, memory and start-up.
//
// Figures of one table are of one run and compare; those of two machines do not.
// It is no part of shoebox: it never touches a real library, and what it makes
// lies in a temporary folder that it removes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	var b bench
	flag.StringVar(&b.program, "shoebox", "bin/shoebox", "the program that is measured")
	flag.StringVar(&b.python, "python", "python3", "a Python with the packages of train/ and of cmd/bench")
	flag.StringVar(&b.raw, "raw", "", "`file` for the lines of the Go benchmarks, which benchstat reads")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each figure is taken, in turn with the others; its median counts")
	flag.IntVar(&b.threads, "threads", runtime.NumCPU(), "of the captioner and of its rivals; on a busy machine 1 is fairer to PyTorch")
	photos := flag.String("photos", "1000,10000", "sizes of the libraries that are indexed, small first")
	only := flag.String("only", "", "measure only the sections whose name this `regexp` matches: decoding, captioner, index, start")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := b.run(ctx, os.Stdout, *photos, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is a run.
type bench struct {
	program, python, raw string
	rounds, threads      int
	libraries            []int // photos of each
	dir                  string
	table                []row
}

// row is a line of the table.
type row struct{ what, figure, beside, ratio, goal string }

func (b *bench) add(r row) {
	b.table = append(b.table, r)
	progress("%s: %s %s %s", r.what, r.figure, r.beside, r.ratio)
}

func (b *bench) run(ctx context.Context, out io.Writer, photos, only string) (err error) {
	for size := range strings.SplitSeq(photos, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			return fmt.Errorf("-photos %s: want numbers with commas", photos)
		}
		b.libraries = append(b.libraries, n)
	}
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	// Root's Postgres runs as another user, who has to get there.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	load := machineLoad()
	for _, section := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"decoding", b.decoding}, {"captioner", b.captioner}, {"index", b.index}, {"start", b.start},
	} {
		if !wanted.MatchString(section.name) {
			continue
		}
		progress("== %s", section.name)
		if err := section.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	fmt.Fprintf(out, "%d cores; %s before, %s after\n\n", runtime.NumCPU(), load, machineLoad())
	fmt.Fprintln(out, "| what | shoebox | beside it | ratio | goal |\n|---|---|---|---|---|")
	for _, r := range b.table {
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", r.what, r.figure, r.beside, r.ratio, r.goal)
	}
	return nil
}

// machineLoad says how busy the machine is.
func machineLoad() string {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load unknown"
	}
	return "load " + strings.Fields(string(load))[0]
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
