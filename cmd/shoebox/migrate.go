package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"shoebox/storage/postgres"
)

func newMigrate(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to this version's schema",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, server, err := database(cmd.Context(), s, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if server != nil {
				defer server.Close()
			}
			from, to, err := postgres.Migrate(cmd.Context(), url)
			if err != nil {
				return err
			}
			if from == to {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "the database is at version %d, nothing to do\n", to)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "the database went from version %d to %d\n", from, to)
			}
			return err
		},
	}
}
