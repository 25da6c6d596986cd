package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shoebox/search"
	"shoebox/search/query"
)

// searchFlags are what `search` may be told besides the query.
type searchFlags struct {
	asJSON, nul, open           bool
	similar, textOnly, facets   bool
	limit                       int
	after, saveAs, exportFolder string
}

func newSearch(s *settings) *cobra.Command {
	var f searchFlags
	cmd := &cobra.Command{
		Use:   "search QUERY...",
		Short: "Find photos by words",
		Long: `search prints the photos that the query describes, the best first: by what
people wrote, by their captions, and by what their pictures look like.

  shoebox search two dogs
  shoebox search '"brown dog" -snow'             a phrase, and what to leave out
  shoebox search '(beach OR lake) taken:2019-05..2020-02 camera:canon'
  shoebox search 'snow* brige~ folder:holiday sort:date'
  shoebox search near:48.85,2.35,10km iso:'>800' has:title by:me
  shoebox search --save best 'sunset sea'        then: shoebox search @best

Words are joined by AND and stemmed: "dogs" finds "dog". Fields: taken, camera,
lens, folder, name, near, box, iso, f, exposure, focal, width, height, has, by,
sort.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			result, err := f.search(cmd.Context(), s, strings.Join(args, " "))
			if err != nil {
				return describeQuery(err)
			}
			return f.show(s, cmd.OutOrStdout(), cmd.ErrOrStderr(), result)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object a line")
	flags.IntVar(&f.limit, "limit", 20, "how many photos to print")
	flags.StringVar(&f.after, "after", "", "print those behind this place, which the search before named")
	flags.BoolVar(&f.similar, "similar", false, "take the query as a description: any of its words, the more the better")
	flags.BoolVar(&f.textOnly, "text-only", false, "look only at what is written, not at what pictures look like")
	flags.BoolVar(&f.facets, "facets", false, "print how many photos there are of each year, camera and folder instead")
	flags.StringVar(&f.saveAs, "save", "", "save the query under a `NAME`, for search @NAME")
	flags.BoolVarP(&f.nul, "print0", "0", false, "print only paths, each ended by a zero byte, for xargs -0")
	flags.BoolVar(&f.open, "open", false, "show the photos in the file manager")
	flags.StringVar(&f.exportFolder, "export", "", "link the photos into a new or empty `DIR`")
	return cmd
}

// check refuses flags that cannot be followed together.
func (f *searchFlags) check() error {
	if f.limit < 1 {
		return &usageError{fmt.Errorf("--limit %d: want 1 or more", f.limit)}
	}
	shown := 0
	for _, wanted := range []bool{f.asJSON || f.facets, f.nul, f.open, f.exportFolder != ""} {
		if wanted {
			shown++
		}
	}
	switch {
	case shown > 1:
		return &usageError{errors.New("--json and --facets, --print0, --open and --export each show the photos in another way: give one")}
	case f.similar && f.saveAs != "":
		return &usageError{errors.New("--save keeps a query, and --similar takes a description: give one")}
	default:
		return nil
	}
}

// search asks the index.
func (f *searchFlags) search(ctx context.Context, s *settings, text string) (search.Result, error) {
	parse := query.Parse
	if f.similar {
		parse = query.Similar
	}
	q, err := parse(text)
	if err != nil {
		return search.Result{}, err
	}
	albums := albumsOf(s)
	expanded, err := query.Expand(q, albums.Load)
	if err != nil {
		return search.Result{}, &usageError{err}
	}
	index, err := search.Open(ctx, indexDir(s))
	if err != nil {
		return search.Result{}, err
	}
	defer index.Close()
	request := search.Request{
		Query: expanded, Similar: f.similar, TextOnly: f.textOnly,
		Limit: f.limit, After: f.after, Facets: f.facets,
	}
	result, err := index.Search(ctx, request)
	if err == nil && f.saveAs != "" {
		err = albums.Save(f.saveAs, q)
	}
	return result, err
}

// albumsOf are the saved queries of a data folder.
func albumsOf(s *settings) search.Albums { return search.Albums{Dir: filepath.Join(s.data, "albums")} }

// keepNegations lets `search dog -snow` be typed without quotes: a space in
// front makes -snow a word for the flag parser, and is nothing to the query.
func keepNegations(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil || cmd.Name() != "search" {
		return args
	}
	kept := slices.Clone(args)
	for i, arg := range kept {
		if len(arg) > 1 && arg[0] == '-' && arg[1] != '-' && arg != "-h" && arg != "-0" && !isFlagValue(cmd, args, i) {
			kept[i] = " " + arg
		}
	}
	return kept
}

// isFlagValue reports whether an argument is the value of the flag before it.
func isFlagValue(cmd *cobra.Command, args []string, i int) bool {
	if i == 0 || !strings.HasPrefix(args[i-1], "--") {
		return false
	}
	name := strings.TrimPrefix(args[i-1], "--")
	flag := cmp.Or(cmd.Flags().Lookup(name), cmd.InheritedFlags().Lookup(name))
	return flag != nil && flag.Value.Type() != "bool"
}

// describeQuery marks the place of an error in a query.
func describeQuery(err error) error {
	var e *query.Error
	if errors.As(err, &e) {
		return &usageError{fmt.Errorf("%w\n%s", err, e.Mark())}
	}
	var use *search.UseError
	if errors.As(err, &use) {
		return &usageError{err}
	}
	return err
}

// show prints a result, and notes about it.
func (f *searchFlags) show(s *settings, out, notes io.Writer, result search.Result) error {
	var err error
	switch {
	case f.facets && f.asJSON:
		err = printJSON(out, result.Facets)
	case f.facets:
		err = printFacets(out, result.Facets)
	case f.nul:
		for _, hit := range result.Hits {
			_, err = fmt.Fprintf(out, "%s\x00", hit.Paths[0])
		}
	case f.open:
		err = openPhotos(filepath.Join(s.data, "results"), result.Hits)
	case f.exportFolder != "":
		err = linkPhotos(f.exportFolder, result.Hits)
	default:
		err = printHits(out, result.Hits, f.asJSON)
	}
	if err != nil {
		return err
	}
	if b := result.Building; b != nil {
		fmt.Fprintf(notes, "the search index is being built again, %d photos so far: there may be more later\n", b.Photos)
	}
	if result.Total == 0 {
		printNearest(notes, result)
	}
	if shown := uint64(len(result.Hits)); !f.facets && f.after == "" && result.Total > shown {
		fmt.Fprintf(notes, "%d more; --limit shows them, or --after %s\n", result.Total-shown, result.Next)
	} else if result.Next != "" && !f.facets {
		fmt.Fprintf(notes, "go on with --after %s\n", result.Next)
	}
	if f.saveAs != "" {
		fmt.Fprintf(notes, "saved: shoebox search @%s\n", f.saveAs)
	}
	return nil
}

// printNearest says that nothing was found, and what would be.
func printNearest(notes io.Writer, result search.Result) {
	if result.Possible > 0 {
		fmt.Fprintln(notes, "no photo surely matches; these are less likely")
	} else {
		fmt.Fprintln(notes, "no photo matches")
	}
	for _, n := range result.Nearest {
		if n.Instead != "" {
			fmt.Fprintf(notes, "no photo has %q: did you mean %q? shoebox search %s  (%d photos)\n", n.Missing, n.Instead, shellQuoted(n.Query), n.Total)
		} else {
			fmt.Fprintf(notes, "without one of the words: shoebox search %s  (%d photos)\n", shellQuoted(n.Query), n.Total)
		}
	}
}

// shellQuoted is a text as a shell takes it for one word.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
