package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shoebox/search"
	"shoebox/storage/private"
)

// ask measures every kind of query.
func (b *bench) ask(ctx context.Context, out io.Writer, postgres string) (err error) {
	server, err := private.Start(ctx, private.Config{BinDir: postgres, DataDir: filepath.Join(b.dir, "postgres")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.leave(server)) }()
	pool, err := connect(ctx, server.URL(), clients)
	if err != nil {
		return err
	}
	defer pool.Close()
	progress("loading Postgres")
	took, size, err := load(ctx, pool, b.library)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "| Postgres, texts and facts | %.0f s | | | | | | %s | |\n\n", took.Seconds(), megabytes(size))
	if err := b.askProgram(ctx, out, "index closed"); err != nil {
		return err
	}
	index, err := search.OpenWriter(filepath.Join(b.dataDir(true), "search"))
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- index.Serve(serving, b.library) }()
	err = b.askAll(ctx, out, index, pool)
	stop()
	return errors.Join(err, <-served, index.Close())
}

// leave stops Postgres when nobody is left, and waits for that where its files
// are to be removed.
func (b *bench) leave(server *private.Server) error {
	if err := server.Close(); err != nil {
		return err
	}
	running := filepath.Join(b.dir, "postgres", "postgres", "data", "postmaster.pid")
	for range 600 {
		if _, err := os.Stat(running); err != nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the Postgres in %s does not stop", b.dir)
}

func (b *bench) askAll(ctx context.Context, out io.Writer, index *search.Index, pool *pgxpool.Pool) error {
	if err := b.askProgram(ctx, out, "asks the process that holds the index"); err != nil {
		return err
	}
	progress("waiting for Bleve to end its merging")
	settle(ctx)
	fmt.Fprintf(out, "\nMilliseconds; %s. Busy: processor time of one query. Found: photos, the median.\n\n", machineLoad())
	fmt.Fprintln(out, "| query | goal p99 | p50 | p99 | busy p99 | found | 8 clients p50 | p99 | Postgres p50 | p99 | ratio p50 | p99 |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|---|")
	d, err := newDraw(b.library)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		questions, err := d.questions(k, different)
		if err != nil {
			return err
		}
		if err := b.askKind(ctx, out, k, questions, index, pool); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		if k.name == kinds[0].name {
			if err := b.askSocket(ctx, out, k, questions); err != nil {
				return err
			}
		}
	}
	return nil
}

// askKind fills a line of the table in.
func (b *bench) askKind(ctx context.Context, out io.Writer, k kind, questions []question, index search.Searcher, pool *pgxpool.Pool) error {
	progress("asking: %s (%d queries)", k.name, len(questions))
	found := slices.Repeat([]int{-1}, len(questions))
	ours := func(ctx context.Context, _, i int) error {
		result, err := index.Search(ctx, questions[i].request)
		found[i] = int(result.Total)
		return err
	}
	if _, err := measure(ctx, len(questions), 1, 1, ours); err != nil {
		return err
	}
	typical := median(found)
	var one, many, theirs latencies
	err := profile(b.profiles, k.name, func() (err error) {
		one, err = measure(ctx, len(questions), rounds, 1, ours)
		return err
	})
	if err == nil {
		many, err = measure(ctx, len(questions), 1, clients, ours)
	}
	if err == nil && questions[0].sql != nil {
		theirs, err = measure(ctx, len(questions), 1, 1, func(ctx context.Context, _, i int) error {
			_, err := questions[i].sql.run(ctx, pool)
			return err
		})
	}
	if err != nil {
		return err
	}
	goal := ""
	if k.goal > 0 {
		goal = fmt.Sprint(k.goal.Milliseconds())
	}
	fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %d | %s | %s |", k.name, goal, ms(one.all, 50), ms(one.all, 99), ms(one.busy, 99),
		typical, ms(many.all, 50), ms(many.all, 99))
	if len(theirs.all) == 0 {
		fmt.Fprintln(out, " | | | |")
		return nil
	}
	ratio := func(p int) float64 { return float64(percentile(theirs.all, p)) / float64(percentile(one.all, p)) }
	fmt.Fprintf(out, " %s | %s | %.1f | %.1f |\n", ms(theirs.all, 50), ms(theirs.all, 99), ratio(50), ratio(99))
	return nil
}

// median is that of the numbers that are known.
func median(numbers []int) int {
	known := slices.DeleteFunc(slices.Clone(numbers), func(n int) bool { return n < 0 })
	slices.Sort(known)
	return known[len(known)/2]
}

func ms(sorted []time.Duration, p int) string {
	return fmt.Sprintf("%.1f", float64(percentile(sorted, p).Microseconds())/1000)
}

// askSocket asks the process that holds the index, which is this one.
func (b *bench) askSocket(ctx context.Context, out io.Writer, k kind, questions []question) error {
	var connections [clients]search.Searcher
	for i := range connections {
		s, err := search.Open(ctx, filepath.Join(b.dataDir(true), "search"))
		if err != nil {
			return err
		}
		defer s.Close()
		connections[i] = s
	}
	ask := func(ctx context.Context, client, i int) error {
		_, err := connections[client].Search(ctx, questions[i].request)
		return err
	}
	one, err := measure(ctx, len(questions), rounds, 1, ask)
	if err != nil {
		return err
	}
	many, err := measure(ctx, len(questions), 1, clients, ask)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "| %s, through the socket | | %s | %s | %s | | %s | %s | | | | |\n", k.name,
		ms(one.all, 50), ms(one.all, 99), ms(one.busy, 99), ms(many.all, 50), ms(many.all, 99))
	return nil
}

// askProgram times `shoebox search` from its start to its end.
func (b *bench) askProgram(ctx context.Context, out io.Writer, how string) error {
	words := []string{"dog", "two dogs", "snow", "beach sunset", "red car"}
	times, err := measure(ctx, len(words), rounds+1, 1, func(ctx context.Context, _, i int) error {
		cmd := exec.CommandContext(ctx, b.program, "--data", b.dataDir(true), "search", "--limit", fmt.Sprint(limit), words[i])
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s search: %w", b.program, err)
	}
	fmt.Fprintf(out, "`shoebox search`, %s: p50 %s ms, at most %s ms\n", how, ms(times.all, 50), ms(times.all, 100))
	return nil
}
