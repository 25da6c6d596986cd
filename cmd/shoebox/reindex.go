package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"shoebox/search"
)

func newReindex(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "reindex",
		Short: "Build the search index again from the database, beside the old one, and swap",
		Long: `reindex builds the search index again from the database, beside the old one, which
is searched meanwhile, and swaps them. If another shoebox has the index open,
that one does it.`,
		Args: cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			return rebuildSearch(cmd, s, library)
		}),
	}
}

// rebuildSearch builds the index again from a feed and says how far it is.
func rebuildSearch(cmd *cobra.Command, s *settings, feed search.Feed) error {
	notes, began, said := cmd.ErrOrStderr(), time.Now(), time.Now()
	bar := isTerminal(notes)
	n, err := search.Rebuild(cmd.Context(), indexDir(s), feed, func(built int64) {
		switch {
		case bar:
			fmt.Fprintf(notes, "\r%d photos", built)
		case time.Since(said) >= reportEvery:
			fmt.Fprintf(notes, "%d photos\n", built)
			said = time.Now()
		}
	})
	if bar {
		fmt.Fprint(notes, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "search was built again from %d photos in %s\n", n, round(time.Since(began)))
	return err
}
