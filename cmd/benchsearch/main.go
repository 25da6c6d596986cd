// Command benchsearch measures search over a made-up library of a million photos
// and prints a table: how long the index takes to build, in how much memory and
// how large it is, how long queries of each kind take, and how long the same
// queries take PostgreSQL's own full-text search over the same texts.
//
// Every figure is of this machine at this moment; those of one table compare.
// It is no part of shoebox: it never touches a real library, and what it makes
// lies in a temporary folder that it removes, or in the one that -dir names.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"shoebox/captioner/model"
	"shoebox/cmd/shoebox/runtime"
	"shoebox/storage/private"
)

func main() {
	private.SupervisorMain()
	if len(os.Args) > 1 && os.Args[1] == builder {
		exitOn(runBuilder())
		return
	}
	var b bench
	flag.IntVar(&b.photos, "n", 1_000_000, "photos of the library")
	flag.StringVar(&b.captions, "captions", "../shared/data/flickr30k-captions.tsv.gz", "captions that people wrote")
	flag.StringVar(&b.program, "shoebox", "bin/shoebox", "the program whose search is timed from its start")
	flag.StringVar(&b.dir, "dir", "", "`folder` for what is made; what is there of as many photos is used again (default a temporary one)")
	flag.StringVar(&b.profiles, "profiles", "", "`folder` for a processor profile of each kind of query")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exitOn(b.run(ctx, os.Stdout))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchsearch:", err)
		os.Exit(1)
	}
}

// bench is a run.
type bench struct {
	photos                           int
	captions, program, dir, profiles string
	library                          *library
}

func (b *bench) run(ctx context.Context, out io.Writer) (err error) {
	artifact, err := model.Shipped()
	if err != nil {
		return err
	}
	if b.library, err = newLibrary(b.photos, b.captions, artifact.Vocabulary, true); err != nil {
		return err
	}
	found, _ := runtime.Find("")
	if found.PostgresBin == "" {
		return errors.New("there is no Postgres to compare with: `shoebox setup` fetches it, and SHOEBOX_RUNTIME_DIR says where it is")
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "benchsearch-"); err != nil {
			return err
		}
		temporary := b.dir
		// Root's Postgres runs as another user, who has to get there.
		defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
		if err := os.Chmod(temporary, 0o755); err != nil {
			return err
		}
	}
	b.dir = filepath.Join(b.dir, fmt.Sprint(b.photos))
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d photos; %s\n\n", b.photos, machineLoad())
	if err := b.build(ctx, out); err != nil {
		return err
	}
	return b.ask(ctx, out, found.PostgresBin)
}

// machineLoad says how busy the machine is.
func machineLoad() string {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load unknown"
	}
	return "load " + strings.Join(strings.Fields(string(load))[:3], " ")
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// dataDir is a data folder of shoebox with a search index in it.
func (b *bench) dataDir(withWords bool) string {
	if withWords {
		return filepath.Join(b.dir, "words")
	}
	return filepath.Join(b.dir, "texts")
}

// build builds an index of the texts alone and one with picture words.
func (b *bench) build(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "| index | built in | processor time | of that making up the library | peak RSS | of that not files | library alone | texts on disk | columns on disk |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
	for _, withWords := range []bool{false, true} {
		name := map[bool]string{false: "texts and facts", true: "with picture words"}[withWords]
		dir := filepath.Join(b.dataDir(withWords), "search")
		line := "| " + name + " | was there | | | | | |"
		if _, err := os.Stat(filepath.Join(dir, "current")); err != nil {
			progress("building: %s", name)
			done, err := build{
				Dir: dir, Photos: b.photos, Captions: b.captions, WithWords: withWords,
				Vocabulary: b.library.vocabulary, Profiles: b.profiles,
			}.run(ctx)
			if err != nil {
				return err
			}
			line = fmt.Sprintf("| %s | %.0f s | %.0f s | %.0f s | %s | %s | %s |", name, done.Took.Seconds(), done.Busy.Seconds(), done.Making.Seconds(),
				megabytes(done.Peak), megabytes(done.Own), megabytes(done.Before))
		}
		texts, columns, err := sizes(dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %s | %s |\n", line, megabytes(texts), megabytes(columns))
	}
	return nil
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }
