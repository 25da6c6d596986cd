package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"shoebox/flickr30k"
)

func newExportTraining(s *settings) *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "export-training DIR",
		Short: "Copy the photos whose caption you corrected to DIR, to train a model on",
		Long: `Copies the photos whose caption a person wrote or corrected to DIR, with these
captions, in the layout of Flickr30K:

  DIR/flickr30k_images/  the pictures, named by the beginning of their SHA-256
  DIR/results.csv        their captions
  DIR/train.txt          the pictures to learn from
  DIR/val.txt            a tenth of them, to measure what was learnt

DIR has to be empty or new. The photos themselves are only read. How a model is
made of them is said in train/README.md ("Your own captions").`,
		Args: cobra.ExactArgs(1),
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, args []string) error {
			written, err := flickr30k.Write(cmd.Context(), args[0], library.Edits(cmd.Context()), seed)
			for _, absent := range written.Absent {
				fmt.Fprintf(cmd.ErrOrStderr(), "left out: %q: %v\n", absent.Caption, absent.Reason)
			}
			if written.Empty > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "left out: %d captions that were emptied\n", written.Empty)
			}
			if errors.Is(err, flickr30k.ErrNothing) {
				return fmt.Errorf("nothing to export: %w", err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d photos copied to %s: %d to learn from, %d to measure on\n",
				written.Train+written.Val, printable(args[0]), written.Train, written.Val)
			if n := len(written.Absent); n > 0 {
				return &someFailedError{fmt.Sprintf("%d photos with an edited caption were left out", n)}
			}
			return nil
		}),
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "another number puts other photos into val.txt")
	return cmd
}
