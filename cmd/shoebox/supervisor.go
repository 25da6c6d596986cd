package main

import (
	"github.com/spf13/cobra"

	"shoebox/storage/private"
)

// newPostgresSupervisor is the process behind the private database: its
// parent, started by whichever command needs it first.
func newPostgresSupervisor() *cobra.Command {
	return &cobra.Command{
		Use:                private.SupervisorCommand,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return private.Supervise(cmd.Context(), args)
		},
	}
}
