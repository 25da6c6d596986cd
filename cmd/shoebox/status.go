package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"shoebox/indexer/watch"
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
	Edited  int            `json:"edited"` // by a person
	Models  []modelReport  `json:"models"`
	// Older captions are by models first seen before this version's; `recaption`
	// writes them anew.
	Older    int            `json:"older"`
	Failures []reasonReport `json:"failures"`
	workReport
	// PausedSince is when `shoebox pause` was said; absent: workers go on.
	PausedSince *time.Time  `json:"paused_since,omitempty"`
	Index       indexReport `json:"index"`
}

type folderReport struct {
	Path      string     `json:"path"`
	PathB64   []byte     `json:"path_b64,omitempty"`
	Present   bool       `json:"present"`
	ScannedAt *time.Time `json:"scanned_at,omitempty"`
	// Problem says why the last scan changed nothing.
	Problem string `json:"problem,omitempty"`
	// Watch is watched, partly or polled while `watch` runs, else no.
	Watch       string `json:"watch"`
	WatchReason string `json:"watch_reason,omitempty"`
	countsReport
}

type countsReport struct {
	Pending     int `json:"pending"`
	Leased      int `json:"leased"`
	Done        int `json:"done"`
	Failed      int `json:"failed"`
	Unsupported int `json:"unsupported"`
	Missing     int `json:"missing"`
	Retrying    int `json:"retrying"` // of the failed, tried again by themselves
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
	lag    storage.Lag
	// HeldBackBy names open transactions that hide changes from search.
	HeldBackBy []string `json:"held_back_by,omitempty"`
	// Problem is set when the index cannot be opened.
	Problem string `json:"problem,omitempty"`
}

// mostLag is how many changed photos are counted.
const mostLag = 100_000

// lagInWords says how far behind search is.
func lagInWords(l storage.Lag) string {
	switch {
	case l.Restart:
		return "is of another database or of before a restore"
	case l.Photos > mostLag:
		return fmt.Sprintf("is behind by more than %d changed photos", mostLag)
	default:
		return fmt.Sprintf("is behind by %d changed photos", l.Photos)
	}
}

func statusOf(ctx context.Context, s *settings, library *library) (statusReport, error) {
	status, err := library.Status(ctx)
	if err != nil {
		return statusReport{}, err
	}
	report := statusReport{
		Folders:    []folderReport{},
		Files:      countsReport(status.Total),
		Photos:     status.Photos,
		Unsure:     status.Unsure,
		Edited:     status.Edited,
		Models:     []modelReport{},
		Failures:   []reasonReport{},
		workReport: reportWork(status),
		Index:      indexStatus(ctx, s, library),
	}
	for _, f := range status.Folders {
		report.Folders = append(report.Folders, reportFolder(f))
	}
	for _, m := range status.Models {
		report.Models = append(report.Models, modelReport(m))
	}
	for _, r := range status.Reasons {
		report.Failures = append(report.Failures, reasonReport{string(r.State), r.Code, r.Files, r.Retrying})
	}
	if !status.PausedSince.IsZero() {
		report.PausedSince = &status.PausedSince
	}
	report.Older, err = olderCaptions(status.Models)
	return report, err
}

func reportFolder(f storage.FolderStatus) folderReport {
	path, exact := storage.JSONPath(f.Path)
	r := folderReport{Path: path, PathB64: exact, Present: f.Present, Problem: f.Problem, Watch: "no", countsReport: countsReport(f.Counts)}
	switch {
	case f.Watch.Mode == "":
	case time.Since(f.Watch.SeenAt) > watch.Silence:
		r.WatchReason = "the last `shoebox watch` died at about " + f.Watch.SeenAt.Local().Format("2006-01-02 15:04")
	default:
		r.Watch, r.WatchReason = string(f.Watch.Mode), f.Watch.Reason
	}
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
	if r.Older > 0 {
		fmt.Fprintf(out, "%d captions are by older models; `shoebox recaption` queues them for a new one\n", r.Older)
	}
	if r.PausedSince != nil {
		fmt.Fprintf(out, "paused since %s: workers take nothing new; `shoebox resume` goes on\n", r.PausedSince.Local().Format("2006-01-02 15:04"))
	}
	r.printWork(out)
	for _, name := range r.Index.HeldBackBy {
		fmt.Fprintln(out, "changes wait for the transaction of", name)
	}
	switch {
	case r.Index.Problem != "":
		fmt.Fprintln(out, "search:", r.Index.Problem)
	case r.Index.Behind:
		fmt.Fprintf(out, "search knows %d photos and %s; `shoebox serve` or the next `shoebox index` brings it up to date\n", r.Index.Photos, lagInWords(r.Index.lag))
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
	fmt.Fprintln(table, "folder\tcaptioned\twaiting\tfailed\tunsupported\tmissing\twatched\tlast full look\t")
	for _, f := range folders {
		scanned := "never"
		if f.ScannedAt != nil {
			scanned = round(time.Since(*f.ScannedAt)).String() + " ago"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t\n",
			printable(f.Path), f.Done, f.Pending+f.Leased, f.Failed, f.Unsupported, f.Missing, watchWords[f.Watch], scanned)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range folders {
		if f.Problem != "" {
			fmt.Fprintf(out, "%s %s\n", printable(f.Path), f.Problem)
		}
		if f.WatchReason != "" {
			fmt.Fprintf(out, "%s: %s\n", printable(f.Path), f.WatchReason)
		}
	}
	return nil
}

// watchWords say in the table how a folder is watched.
var watchWords = map[string]string{"no": "no", "watched": "yes", "partly": "partly", "polled": "polled"}
