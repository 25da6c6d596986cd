package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shoebox/storage"
)

func newFailures(s *settings) *cobra.Command {
	var asJSON, retry bool
	cmd := &cobra.Command{
		Use:   "failures [--retry [PATH...]]",
		Short: "List files without a caption, why, and since when",
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, paths []string) error {
			if retry {
				return retryFailures(cmd, library, paths)
			}
			if len(paths) > 0 {
				return &usageError{fmt.Errorf("paths are for --retry; all failures are listed without")}
			}
			for f, err := range library.Failures(cmd.Context(), nil) {
				if err == nil {
					err = printFailure(cmd, f, asJSON)
				}
				if err != nil {
					return err
				}
			}
			if asJSON {
				return nil
			}
			return printReasons(cmd, library)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.Flags().BoolVar(&retry, "retry", false, "put them back in the queue: all, or those at or below PATH")
	return cmd
}

func retryFailures(cmd *cobra.Command, library *library, paths []string) error {
	var absolute []string // nil: all
	for _, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		absolute = append(absolute, path)
	}
	n, err := library.RetryFailures(cmd.Context(), absolute)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d files are in the queue again; `shoebox index DIR` tries them\n", n)
	return nil
}

// failureLine is a line of `failures --json`.
type failureLine struct {
	Path     string     `json:"path"`
	PathB64  []byte     `json:"path_b64,omitempty"`
	State    string     `json:"state"` // failed or unsupported
	Code     string     `json:"code"`
	Reason   string     `json:"reason"`
	Since    time.Time  `json:"since"`
	Attempts int        `json:"attempts"`
	RetryAt  *time.Time `json:"retry_at,omitempty"` // when it is tried again by itself
}

func printFailure(cmd *cobra.Command, f storage.FailedFile, asJSON bool) error {
	if asJSON {
		path, exact := storage.JSONPath(f.Path)
		line := failureLine{
			Path: path, PathB64: exact, State: string(f.State), Code: f.Code, Reason: f.Text, Since: f.Since, Attempts: f.Attempts,
		}
		if !f.RetryAt.IsZero() {
			line.RetryAt = &f.RetryAt
		}
		return printJSON(cmd.OutOrStdout(), line)
	}
	const minute = "2006-01-02 15:04"
	details := []string{fmt.Sprintf("%s since %s", f.State, f.Since.Local().Format(minute))}
	if f.Attempts > 1 {
		details = append(details, fmt.Sprintf("%d attempts", f.Attempts))
	}
	if !f.RetryAt.IsZero() {
		details = append(details, "tried again from "+f.RetryAt.Local().Format(minute+":05")+" on")
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s (%s)\n", printable(f.Path), f.Text, strings.Join(details, ", "))
	return err
}

// reasonReport is a reason with its count in `status --json`.
type reasonReport struct {
	State    string `json:"state"`
	Code     string `json:"code"`
	Files    int    `json:"files"`
	Retrying int    `json:"retrying"` // of them, tried again by themselves
}

// printReasons ends the list of failures with how many there are of each kind.
func printReasons(cmd *cobra.Command, library *library) error {
	status, err := library.Status(context.WithoutCancel(cmd.Context()))
	if err != nil {
		return err
	}
	for i, r := range status.Reasons {
		if i == 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%8d %s", r.Files, r.Code)
		if r.Retrying > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), ", %d of them are tried again by themselves", r.Retrying)
		}
		fmt.Fprintln(cmd.OutOrStdout())
	}
	return nil
}
