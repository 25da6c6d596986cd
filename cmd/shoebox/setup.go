package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"shoebox/cmd/shoebox/runtime"
)

func newSetup(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "setup",
		Short: "Fetch ONNX Runtime and Postgres, pinned by hash, into the data folder",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			installed, err := runtime.Setup(cmd.Context(), s.data, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ONNX Runtime: %s\nPostgres: %s\n", installed.ONNXRuntime, installed.PostgresBin)
			return err
		},
	}
}
