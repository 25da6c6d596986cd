package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newRecaption(s *settings) *cobra.Command {
	var model modelFlags
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
			n, name, err := library.recaption(cmd.Context(), s, model, olderOnly)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d photos are queued to be looked at by model %s; `shoebox index DIR` does it\n", n, name)
			return err
		}),
	}
	model.registerModel(cmd)
	cmd.Flags().BoolVar(&olderOnly, "older-than-model", false, "only those whose model was first seen before this one, or that have no picture words")
	return cmd
}

// recaption queues photos for a model and returns how many and the model's name.
func (l *library) recaption(ctx context.Context, s *settings, m modelFlags, olderOnly bool) (n int, name string, err error) {
	current, err := m.artifact(s)
	if err != nil {
		return 0, "", err
	}
	if err := l.RecordModel(ctx, current.Hash, current.Title(), current.Vocabulary); err != nil {
		return 0, "", err
	}
	n, err = l.Recaption(ctx, current.Hash, olderOnly)
	return n, current.Title(), err
}
