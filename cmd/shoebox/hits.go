package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"shoebox/search"
)

func printHits(out io.Writer, hits []search.Hit, asJSON bool) error {
	bold := isTerminal(out)
	for _, hit := range hits {
		var err error
		if asJSON {
			err = printJSON(out, hit)
		} else {
			err = printHit(out, hit, bold)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// printHit prints a photo in two lines: where it is, and what it shows.
func printHit(out io.Writer, hit search.Hit, bold bool) error {
	details := hit.Caption
	if bold {
		details = mark(hit.Caption, hit.Marks)
	}
	if hit.Unsure {
		details += " (unsure)"
	}
	if hit.Title != "" {
		details = printable(hit.Title) + ": " + details
	}
	if date, _, ok := strings.Cut(hit.TakenAt, "T"); ok {
		details += "  " + date
	}
	for _, why := range hit.Why {
		if why != "caption" {
			details += "  [" + why + "]"
		}
	}
	if hit.Possible {
		details += "  (less likely)"
	}
	switch n := len(hit.Paths) - 1; {
	case n == 1:
		details += "  (1 more file)"
	case n > 1:
		details += fmt.Sprintf("  (%d more files)", n)
	}
	_, err := fmt.Fprintf(out, "%s\n    %s\n", printable(hit.Paths[0]), details)
	return err
}

// mark makes the matched words bold (ECMA-48, SGR 1).
func mark(text string, spans []search.Span) string {
	var b strings.Builder
	at := 0
	for _, s := range spans {
		b.WriteString(text[at:s.Start] + "\x1b[1m" + text[s.Start:s.End] + "\x1b[0m")
		at = s.End
	}
	return b.String() + text[at:]
}

func printFacets(out io.Writer, f *search.Facets) error {
	for _, facet := range []struct {
		title  string
		values []search.Facet
	}{{"years", f.Years}, {"months", f.Months}, {"cameras", f.Cameras}, {"folders", f.Folders}} {
		if _, err := fmt.Fprintln(out, facet.title); err != nil {
			return err
		}
		for _, v := range facet.values {
			if _, err := fmt.Fprintf(out, "%9d  %s\n", v.Count, printable(v.Value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkPhotos makes links to photos in a folder, in their order. Originals are
// never copied or written.
func linkPhotos(dir string, hits []search.Hit) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: name a new folder", dir)
	}
	width := len(fmt.Sprint(len(hits)))
	for i, hit := range hits {
		name := fmt.Sprintf("%0*d %s", width, i+1, filepath.Base(hit.Paths[0]))
		if err := os.Symlink(hit.Paths[0], filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// openPhotos shows photos in the file manager, as links in a folder that is
// made anew each time.
func openPhotos(dir string, hits []search.Hit) error {
	if len(hits) == 0 {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := linkPhotos(dir, hits); err != nil {
		return err
	}
	if out, err := exec.Command("xdg-open", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("xdg-open %s: %w %s; the photos are linked there", dir, err, strings.TrimSpace(string(out)))
	}
	return nil
}
