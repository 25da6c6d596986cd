package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shoebox/search"
	"shoebox/search/query"
)

func newSearch(s *settings) *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "search QUERY...",
		Short: "Find photos by words",
		Long: `search prints the photos whose captions hold every word of the query, the best
first. Words are stemmed: "dogs" finds "dog".

  shoebox search two dogs
  shoebox search '"brown dog" -snow'
  shoebox search 'beach taken:2019-05..2020-02 camera:canon'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return &usageError{fmt.Errorf("--limit %d: want 1 or more", limit)}
			}
			parsed, err := query.Parse(strings.Join(args, " "))
			if err != nil {
				return describeQuery(err)
			}
			index, err := search.Open(cmd.Context(), indexDir(s))
			if err != nil {
				return err
			}
			defer index.Close()
			result, err := index.Search(cmd.Context(), parsed, limit)
			if err != nil {
				return err
			}
			return printResult(cmd.OutOrStdout(), cmd.ErrOrStderr(), result, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many photos to print")
	return cmd
}

// keepNegations lets `search dog -snow` be typed without quotes: a space in
// front makes -snow a word for the flag parser, and is nothing to the query.
func keepNegations(root *cobra.Command, args []string) []string {
	if cmd, _, err := root.Find(args); err != nil || cmd.Name() != "search" {
		return args
	}
	kept := slices.Clone(args)
	for i, arg := range kept {
		isValue := i > 0 && (args[i-1] == "--limit" || args[i-1] == "--data")
		if len(arg) > 1 && arg[0] == '-' && arg[1] != '-' && arg != "-h" && !isValue {
			kept[i] = " " + arg
		}
	}
	return kept
}

// describeQuery marks the place of an error in a query.
func describeQuery(err error) error {
	var e *query.Error
	if errors.As(err, &e) {
		return &usageError{fmt.Errorf("%w\n%s", err, e.Mark())}
	}
	return err
}

func printResult(out, notes io.Writer, result search.Result, asJSON bool) error {
	bold := isTerminal(out)
	for _, hit := range result.Hits {
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
	if b := result.Building; b != nil {
		fmt.Fprintf(notes, "the search index is being built again, %d photos so far: there may be more later\n", b.Photos)
	}
	switch {
	case result.Total == 0:
		fmt.Fprintln(notes, "no photo matches")
	case result.Total > uint64(len(result.Hits)):
		fmt.Fprintf(notes, "%d more; --limit shows them\n", result.Total-uint64(len(result.Hits)))
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
	if date, _, ok := strings.Cut(hit.TakenAt, "T"); ok {
		details += "  " + date
	}
	if n := len(hit.Paths) - 1; n > 0 {
		details += fmt.Sprintf("  (%d more with this content)", n)
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
