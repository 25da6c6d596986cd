package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"shoebox/storage"
)

func newFailures(s *settings) *cobra.Command {
	var asJSON, retry bool
	cmd := &cobra.Command{
		Use:   "failures",
		Short: "List files without a caption, why, and since when",
		Args:  cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			if retry {
				n, err := library.RetryFailures(cmd.Context())
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%d files are in the queue again; `shoebox index DIR` tries them\n", n)
				return nil
			}
			failures, err := library.Failures(cmd.Context())
			if err != nil {
				return err
			}
			for _, f := range failures {
				if err := printFailure(cmd, f, asJSON); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.Flags().BoolVar(&retry, "retry", false, "put them back in the queue")
	return cmd
}

// failureLine is a line of `failures --json`.
type failureLine struct {
	Path    string    `json:"path"`
	PathB64 []byte    `json:"path_b64,omitempty"`
	State   string    `json:"state"` // failed or unsupported
	Code    string    `json:"code"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
}

func printFailure(cmd *cobra.Command, f storage.FailedFile, asJSON bool) error {
	if asJSON {
		path, exact := jsonPath(f.Path)
		return printJSON(cmd.OutOrStdout(), failureLine{
			Path: path, PathB64: exact, State: string(f.State), Code: f.Code, Reason: f.Text, Since: f.Since,
		})
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s (%s since %s)\n",
		printable(f.Path), f.Text, f.State, f.Since.Local().Format("2006-01-02 15:04"))
	return err
}
