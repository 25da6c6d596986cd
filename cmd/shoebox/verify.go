package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shoebox/indexer/verify"
	"shoebox/storage"
)

func newVerify(s *settings) *cobra.Command {
	var asJSON, repair bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the disk, the database and search, and say every difference",
		Long: `verify looks through all folders and compares what is there with the database, and
the database with what search shows. Exit code 3: there are differences (with
--repair: that could not be mended). --repair puts what is new or changed into
the queue, marks what is gone as missing, and brings search in line with the
database. No photo is ever written.`,
		Args: cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			out := cmd.OutOrStdout()
			projector, err := newProjector(s, library)
			if err != nil {
				return err
			}
			defer projector.Close()
			found := 0
			verifier := verify.Verifier{
				Store: library, Index: projector, Skip: s.data, Repair: repair,
				Report: func(d verify.Difference) error {
					found++
					return printDifference(out, d, asJSON)
				},
			}
			left, err := verifier.Run(cmd.Context())
			if err != nil {
				return err
			}
			return sumUp(cmd.ErrOrStderr(), found, left, repair)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.Flags().BoolVar(&repair, repairFlag, false, "mend the differences, and say what was done")
	return cmd
}

// repairFlag is an action, like --retry, and no setting.
const repairFlag = "repair"

// differenceLine is a line of `verify --json`.
type differenceLine struct {
	Kind    verify.Kind `json:"kind"`
	Path    string      `json:"path,omitempty"`
	PathB64 []byte      `json:"path_b64,omitempty"`
	Photo   string      `json:"photo,omitempty"`
	Detail  string      `json:"detail,omitempty"`
	Mended  string      `json:"mended,omitempty"` // what was done about it; absent: nothing
}

func printDifference(out io.Writer, d verify.Difference, asJSON bool) error {
	if asJSON {
		path, exact := storage.JSONPath(d.Path)
		return printJSON(out, differenceLine{d.Kind, path, exact, d.Photo, d.Detail, d.Mended})
	}
	text := inWords[d.Kind]
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	if d.Mended != "" {
		text += "; " + d.Mended + " now"
	}
	name := printable(d.Path)
	if d.Path == "" {
		name = d.Photo
	}
	if name != "" {
		text = name + ": " + text
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

var inWords = map[verify.Kind]string{
	verify.OnlyOnDisk:     "is new and not known yet",
	verify.ChangedOnDisk:  "has changed since it was read",
	verify.BackOnDisk:     "is back, the database has it as missing",
	verify.NotOnDisk:      "is gone, the database has it as present",
	verify.NotReadable:    "cannot all be looked at",
	verify.FolderAway:     "cannot be compared",
	verify.NotInSearch:    "is not in search",
	verify.OnlyInSearch:   "is in search and should not be",
	verify.OtherInSearch:  "is in search with another content",
	verify.SearchUnusable: "search cannot be compared",
}

func sumUp(notes io.Writer, found, left int, repair bool) error {
	switch {
	case found == 0:
		fmt.Fprintln(notes, "no differences")
	case left == 0:
		fmt.Fprintf(notes, "%d differences, all mended; `shoebox index DIR` captions what is in the queue now\n", found)
	case repair:
		return &someFailedError{fmt.Sprintf("%d differences, %d of them could not be mended", found, left)}
	default:
		return &someFailedError{fmt.Sprintf("%d differences; `shoebox verify --repair` mends what it can", found)}
	}
	return nil
}
