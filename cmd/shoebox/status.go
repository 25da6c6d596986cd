package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"shoebox/storage"
)

func newStatus(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show folders, counts by state, models and how far search is behind",
		Args:  cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			report, err := statusOf(cmd.Context(), s, library)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), report)
			}
			return report.print(cmd.OutOrStdout())
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// statusReport is what `status --json` prints.
type statusReport struct {
	Folders []folderReport `json:"folders"`
	Files   countsReport   `json:"files"`
	Photos  int            `json:"photos"`
	Unsure  int            `json:"unsure"`
	Models  []modelReport  `json:"models"`
	Index   indexReport    `json:"index"`
}

type folderReport struct {
	Path      string     `json:"path"`
	PathB64   []byte     `json:"path_b64,omitempty"`
	Present   bool       `json:"present"`
	ScannedAt *time.Time `json:"scanned_at,omitempty"`
	countsReport
}

type countsReport struct {
	Pending     int `json:"pending"`
	Leased      int `json:"leased"`
	Done        int `json:"done"`
	Failed      int `json:"failed"`
	Unsupported int `json:"unsupported"`
	Missing     int `json:"missing"`
}

type modelReport struct {
	Hash      string    `json:"hash"`
	Name      string    `json:"name"`
	FirstSeen time.Time `json:"first_seen"`
	Captions  int       `json:"captions"`
}

// indexReport says how far search is behind Postgres.
type indexReport struct {
	Photos int  `json:"photos"` // photos that search knows
	Behind bool `json:"behind"` // Postgres has changes that search does not show yet
	// HeldBackBy names open transactions that hide changes from search.
	HeldBackBy []string `json:"held_back_by,omitempty"`
	// Problem is set when the index cannot be opened.
	Problem string `json:"problem,omitempty"`
}

func statusOf(ctx context.Context, s *settings, library *library) (statusReport, error) {
	status, err := library.Status(ctx)
	if err != nil {
		return statusReport{}, err
	}
	report := statusReport{
		Folders: []folderReport{},
		Files:   countsReport(status.Total),
		Photos:  status.Photos,
		Unsure:  status.Unsure,
		Models:  []modelReport{},
		Index:   indexStatus(ctx, s, library),
	}
	for _, f := range status.Folders {
		report.Folders = append(report.Folders, reportFolder(f))
	}
	for _, m := range status.Models {
		report.Models = append(report.Models, modelReport(m))
	}
	return report, nil
}

func reportFolder(f storage.FolderStatus) folderReport {
	path, exact := jsonPath(f.Path)
	r := folderReport{Path: path, PathB64: exact, Present: f.Present, countsReport: countsReport(f.Counts)}
	if !f.ScannedAt.IsZero() {
		r.ScannedAt = &f.ScannedAt
	}
	return r
}

func (r statusReport) print(out io.Writer) error {
	if len(r.Folders) == 0 {
		fmt.Fprintln(out, "Nothing is indexed yet: shoebox index DIR")
	} else if err := printFolders(out, r.Folders); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d photos captioned, %d of them unsure\n", r.Photos, r.Unsure)
	for _, m := range r.Models {
		fmt.Fprintf(out, "model %s (%.12s): %d captions\n", m.Name, m.Hash, m.Captions)
	}
	for _, name := range r.Index.HeldBackBy {
		fmt.Fprintln(out, "changes wait for the transaction of", name)
	}
	switch {
	case r.Index.Problem != "":
		fmt.Fprintln(out, "search:", r.Index.Problem)
	case r.Index.Behind:
		fmt.Fprintf(out, "search knows %d photos and is behind; the next `shoebox index` brings it up to date\n", r.Index.Photos)
	default:
		fmt.Fprintf(out, "search knows %d photos and is up to date\n", r.Index.Photos)
	}
	if r.Files.Failed+r.Files.Unsupported > 0 {
		fmt.Fprintln(out, "`shoebox failures` says what failed and why")
	}
	return nil
}

func printFolders(out io.Writer, folders []folderReport) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "folder\tcaptioned\twaiting\tfailed\tunsupported\tmissing\tscanned\t")
	for _, f := range folders {
		scanned := "never"
		if f.ScannedAt != nil {
			scanned = f.ScannedAt.Local().Format("2006-01-02 15:04")
		}
		if !f.Present {
			scanned += ", not there at the last scan"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t\n",
			printable(f.Path), f.Done, f.Pending+f.Leased, f.Failed, f.Unsupported, f.Missing, scanned)
	}
	return table.Flush()
}
