package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newRecaption(s *settings) *cobra.Command {
	var modelDir string
	var olderOnly bool
	cmd := &cobra.Command{
		Use:   "recaption",
		Short: "Queue photos that another model looked at; a caption that a person wrote stays",
		Long: `recaption queues the photos whose caption another model wrote than this one, and
those in which this one has not looked for picture words yet. They keep what they
have until the new is there. A caption that a person wrote stays. The next
"index", "watch" or "work" does the work.`,
		Args: cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			current, err := openModel(modelDir)
			if err != nil {
				return err
			}
			if err := library.RecordModel(cmd.Context(), current.Hash, current.Name, current.Vocabulary); err != nil {
				return err
			}
			n, err := library.Recaption(cmd.Context(), current.Hash, olderOnly)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d photos are queued to be looked at by model %s; `shoebox index DIR` does it\n", n, current.Name)
			return err
		}),
	}
	registerModel(cmd, &modelDir)
	cmd.Flags().BoolVar(&olderOnly, "older-than-model", false, "only those whose model was first seen before this one, or that have no picture words")
	return cmd
}
