package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"shoebox/indexer"
	"shoebox/indexer/scan"
	"shoebox/storage"
	"shoebox/thumbs"
)

// confirmEmpty is an action, like --retry, and no setting.
const (
	confirmEmpty      = "confirm-empty"
	confirmEmptyUsage = "accept, this once, that a folder is empty or on another disk than before"
)

func newIndex(s *settings) *cobra.Command {
	var model workFlags
	var look scan.Options
	var until string
	var profile bool
	cmd := &cobra.Command{
		Use:   "index DIR...",
		Short: "Caption what is new or changed in folders and bring search up to date",
		Long: `index remembers the folders, looks through them, captions what is new or changed
and brings search up to date. It ends when nothing of these folders is waiting
or in another worker's hands; while the work is paused ("shoebox pause") it
waits, and says so.`,
		Args: cobra.MinimumNArgs(1),
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, dirs []string) error {
			defer library.longRun(cmd.Context(), s)()
			look.Skip = s.data
			job := indexJob{settings: s, model: model, look: look, library: library, cmd: cmd, profile: profile, started: time.Now()}
			var err error
			if job.until, err = nextTime(until, job.started); err != nil {
				return &usageError{err}
			}
			return job.run(cmd.Context(), dirs)
		}),
	}
	cmd.Flags().BoolVar(&look.ConfirmEmpty, confirmEmpty, false, confirmEmptyUsage)
	model.register(cmd)
	cmd.Flags().BoolVar(&profile, "profile", false, "say at the end where the time went")
	cmd.Flags().StringVar(&until, "until", "", "take no more photos from this time of day on, HH:MM (default: until all are done)")
	return cmd
}

// nextTime is the next moment after now at which local clocks show a time of
// day; zero for "".
func nextTime(clock string, now time.Time) (time.Time, error) {
	if clock == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return time.Time{}, fmt.Errorf("--until %s: want a time of day like 07:00", clock)
	}
	next := time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, now.Location())
	if !next.After(now) {
		next = time.Date(now.Year(), now.Month(), now.Day()+1, at.Hour(), at.Minute(), 0, 0, now.Location())
	}
	return next, nil
}

// indexJob is one run of `index`.
type indexJob struct {
	settings *settings
	model    workFlags
	look     scan.Options
	library  *library
	cmd      *cobra.Command
	profile  bool
	started  time.Time
	until    time.Time // takes nothing new then; zero: never

	scanned    []indexer.Scanned
	progress   indexer.Progress
	stages     indexer.Stages
	captioning time.Duration // how long the worker ran
}

func (j *indexJob) run(ctx context.Context, dirs []string) error {
	// What has been captioned is made searchable also after Ctrl-C.
	graceful, stop := indexer.WithGrace(ctx)
	defer stop()
	if err := refuseTypos(ctx, j.library, dirs); err != nil {
		return err
	}
	var err error
	if j.scanned, err = indexer.Scan(ctx, j.library, dirs, j.look); err != nil {
		return err
	}
	projector, err := newProjector(j.settings, j.library)
	if err != nil {
		return err
	}
	defer projector.Close()
	projector.stages = &j.stages
	// A folder that is gone keeps its pending files for when it is back.
	present := slices.Collect(maps.Keys(j.roots()))
	counts, err := j.library.CountFiles(ctx, present)
	if err != nil {
		return err
	}
	if todo := counts.Pending + counts.Leased + counts.Retrying; todo > 0 && len(present) > 0 {
		err = j.caption(ctx, todo, projector)
	}
	if projectErr := projector.Finish(graceful); err == nil {
		err = projectErr
	}
	if j.profile {
		printProfile(j.cmd.ErrOrStderr(), j.stages.Figures(), j.captioning, j.model.threads)
	}
	if err != nil {
		return err
	}
	return j.report()
}

// refuseTypos turns down folders that are neither there nor known: what is
// known may be on a disk that is not mounted now, anything else is a slip.
func refuseTypos(ctx context.Context, library *library, dirs []string) error {
	folders, err := library.Folders(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, f := range folders {
		known[f.Path] = true
	}
	for _, dir := range dirs {
		path, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		switch {
		case known[path]:
		case err != nil:
			return fmt.Errorf("%s: %w", printable(dir), cause(err))
		case !info.IsDir():
			return fmt.Errorf("%s is not a folder; `shoebox caption` captions single files", printable(dir))
		}
	}
	return nil
}

func (j *indexJob) folders() []int64 {
	ids := make([]int64, len(j.scanned))
	for i, s := range j.scanned {
		ids[i] = s.Folder.ID
	}
	return ids
}

// roots are the folders that are there.
func (j *indexJob) roots() map[int64]indexer.Root {
	roots := make(map[int64]indexer.Root)
	for _, s := range j.scanned {
		if s.Problem == nil {
			roots[s.Folder.ID] = indexer.Root{Path: s.Folder.Path, Info: s.Root, Scanned: true}
		}
	}
	return roots
}

// caption runs the worker, with projection and progress beside it.
func (j *indexJob) caption(ctx context.Context, todo int, projector *projector) error {
	worker, closeWorker, err := openWorker(ctx, j.settings, j.model.modelFlags, j.library, j.cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeWorker()
	cache := thumbs.In(j.settings.data)
	defer cache.Close()
	keepThumbs(worker, cache)
	worker.Roots, worker.Until = j.roots(), j.until
	worker.Progress, worker.Stages, worker.Committed = &j.progress, &j.stages, projector.Wake
	if err := j.model.chooseBatch(j.settings, worker, todo); err != nil {
		return err
	}
	done := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { projector.Follow(ctx, done) })
	beside.Go(func() {
		showProgress(j.cmd.ErrOrStderr(), &j.progress, todo, j.library.pauses(&j.progress, done), done)
	})
	began := time.Now()
	err = worker.Run(ctx)
	j.captioning = time.Since(began)
	close(done)
	beside.Wait()
	return err
}

// report prints what became of the folders and what to type next.
func (j *indexJob) report() error {
	out, p := j.cmd.OutOrStdout(), &j.progress
	elapsed := time.Since(j.started)
	files, missing := 0, 0
	for _, s := range j.scanned {
		files += s.Files
		missing += s.Missing
	}
	fmt.Fprintf(out, "%d pictures, %d captioned now", files, p.Captioned.Load())
	if n := p.Captioned.Load(); n > 0 {
		fmt.Fprintf(out, " (%.1f a second)", float64(n)/j.captioning.Seconds())
	}
	fmt.Fprintf(out, ", %s in all\n", round(elapsed))
	j.detail("copies, moved or rewritten files of photos that had a caption", p.Linked.Load())
	j.detail("known pictures whose sidecar is new, changed or gone", p.Sidecars.Load())
	j.detail("captions the model is unsure of", p.Unsure.Load())
	j.detail("damaged files, captioned by what is there", p.Damaged.Load())
	j.detail("files that are gone and leave search", int64(missing)+p.Vanished.Load())
	problems := j.reportProblems()
	counts, err := j.library.CountFiles(context.Background(), j.folders())
	if err != nil {
		return err
	}
	if err := j.reportFailures(counts); err != nil {
		return err
	}
	if left := counts.Pending + counts.Leased; left > 0 {
		fmt.Fprintf(out, "%8d are left%s; the same command goes on with them\n", left, j.stoppedAt())
	}
	fmt.Fprintf(out, "Next: %s search \"two dogs in the snow\"\n", os.Args[0])
	if len(j.roots()) == 0 {
		return errors.New("no folder could be looked at")
	}
	if counts.Failed > 0 || problems > 0 {
		return &someFailedError{}
	}
	return nil
}

func (j *indexJob) detail(what string, n int64) {
	if n > 0 {
		fmt.Fprintf(j.cmd.OutOrStdout(), "%8d %s\n", n, what)
	}
}

// reportProblems names folders that were left alone or only partly read.
func (j *indexJob) reportProblems() (n int) {
	out := j.cmd.OutOrStdout()
	for _, s := range j.scanned {
		if s.Problem != nil {
			fmt.Fprintf(out, "%s %s\n", printable(s.Problem.Folder), s.Problem.Reason)
			n++
		}
		for _, err := range s.Unreadable {
			fmt.Fprintf(out, "%s in %s; what is known there stays\n", printable(err.Error()), printable(s.Folder.Path))
			n++
		}
	}
	return n
}

// stoppedAt says when no more photos were taken, if that was why.
func (j *indexJob) stoppedAt() string {
	if j.until.IsZero() || time.Now().Before(j.until) {
		return ""
	}
	return j.until.Format(", because it is past 15:04")
}

// reportFailures says how many of the folders' files have no caption and why.
func (j *indexJob) reportFailures(counts storage.Counts) error {
	out := j.cmd.OutOrStdout()
	if counts.Unsupported > 0 {
		fmt.Fprintf(out, "%8d in formats that this version does not read\n", counts.Unsupported)
	}
	if counts.Failed > 0 {
		fmt.Fprintf(out, "%8d failed:\n", counts.Failed)
		if err := j.listFailures(); err != nil {
			return err
		}
	}
	if counts.Retrying > 0 {
		fmt.Fprintf(out, "%8d of them wait to be tried again: the same command does so when their pause is over, `shoebox failures --retry` at once\n", counts.Retrying)
	}
	return nil
}

// listFailures shows the first failures; `failures` shows them all.
func (j *indexJob) listFailures() error {
	const most = 10
	shown := 0
	for f, err := range j.library.Failures(context.Background(), j.folders()) {
		if err != nil {
			return err
		}
		if f.State != storage.Failed {
			continue
		}
		if shown++; shown > most {
			fmt.Fprintln(j.cmd.OutOrStdout(), "         ... `shoebox failures` lists them all")
			break
		}
		fmt.Fprintf(j.cmd.OutOrStdout(), "         %s: %s\n", printable(f.Path), f.Text)
	}
	return nil
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}
