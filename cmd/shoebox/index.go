package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"shoebox/indexer"
	"shoebox/storage"
)

// memoryBudget is what reading and decoding may take together, bytes. With
// the model and its batch the process stays under 1 GB (README, "Measured").
const memoryBudget = 800 << 20

func newIndex(s *settings) *cobra.Command {
	var model modelFlags
	cmd := &cobra.Command{
		Use:   "index DIR...",
		Short: "Caption what is new or changed in folders and bring search up to date",
		Args:  cobra.MinimumNArgs(1),
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, dirs []string) error {
			// What decoders left behind is collected before the process
			// outgrows its budget, and not when it has doubled.
			debug.SetMemoryLimit(memoryBudget)
			job := indexJob{settings: s, model: model, library: library, cmd: cmd, started: time.Now()}
			return job.run(cmd.Context(), dirs)
		}),
	}
	model.register(cmd)
	return cmd
}

// indexJob is one run of `index`.
type indexJob struct {
	settings *settings
	model    modelFlags
	library  *library
	cmd      *cobra.Command
	started  time.Time

	scanned    []indexer.Scanned
	progress   indexer.Progress
	captioning time.Duration // how long the worker ran
}

func (j *indexJob) run(ctx context.Context, dirs []string) error {
	if err := j.refuseTypos(ctx, dirs); err != nil {
		return err
	}
	var err error
	if j.scanned, err = indexer.Scan(ctx, j.library, dirs, j.settings.data); err != nil {
		return err
	}
	projector, err := newProjector(j.settings, j.library)
	if err != nil {
		return err
	}
	defer projector.Close()
	// A folder that is gone keeps its pending files for when it is back.
	present := slices.Collect(maps.Keys(j.roots()))
	counts, err := j.library.CountFiles(ctx, present)
	if err != nil {
		return err
	}
	if todo := counts.Pending + counts.Leased; todo > 0 && len(present) > 0 {
		err = j.caption(ctx, todo, projector)
	}
	// What has been captioned is made searchable also after Ctrl-C.
	graceful, stop := indexer.WithGrace(ctx)
	defer stop()
	if projectErr := projector.Finish(graceful); err == nil {
		err = projectErr
	}
	if err != nil {
		return err
	}
	return j.report()
}

// refuseTypos turns down folders that are neither there nor known: what is
// known may be on a disk that is not mounted now, anything else is a slip.
func (j *indexJob) refuseTypos(ctx context.Context, dirs []string) error {
	folders, err := j.library.Folders(ctx)
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
func (j *indexJob) roots() map[int64]fs.FileInfo {
	roots := make(map[int64]fs.FileInfo)
	for _, s := range j.scanned {
		if s.Problem == nil {
			roots[s.Folder.ID] = s.Root
		}
	}
	return roots
}

// caption runs the worker, with projection and progress beside it.
func (j *indexJob) caption(ctx context.Context, todo int, projector *projector) error {
	c, err := openCaptioner(ctx, j.settings, j.model, j.cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer c.Close()
	owner, err := indexer.Self()
	if err != nil {
		return err
	}
	worker := indexer.Worker{
		Queue: j.library, Captioner: c, Owner: owner, Roots: j.roots(),
		Readers: j.model.threads, Memory: memoryBudget,
		Progress: &j.progress, Committed: projector.Wake,
	}
	done := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { projector.Follow(ctx, done) })
	beside.Go(func() { showProgress(j.cmd.ErrOrStderr(), &j.progress, todo, done) })
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
	j.detail("captions the model is unsure of", p.Unsure.Load())
	j.detail("damaged files, captioned by what is there", p.Damaged.Load())
	j.detail("files that are gone and leave search", int64(missing)+p.Vanished.Load())
	problems := j.reportProblems()
	failed, err := j.reportFailures()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Next: %s search \"two dogs in the snow\"\n", os.Args[0])
	if len(j.roots()) == 0 {
		return errors.New("no folder could be looked at")
	}
	if failed > 0 || problems > 0 {
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

// reportFailures counts the folders' files without a caption by reason and
// returns how many of them failed.
func (j *indexJob) reportFailures() (failed int, err error) {
	counts, err := j.library.CountFiles(context.Background(), j.folders())
	if err != nil {
		return 0, err
	}
	out := j.cmd.OutOrStdout()
	if counts.Unsupported > 0 {
		fmt.Fprintf(out, "%8d in formats that this version does not read\n", counts.Unsupported)
	}
	if counts.Failed > 0 {
		fmt.Fprintf(out, "%8d failed:\n", counts.Failed)
		if err := j.listFailures(); err != nil {
			return 0, err
		}
	}
	return counts.Failed, nil
}

// listFailures shows the first failures; `failures` shows them all.
func (j *indexJob) listFailures() error {
	const most = 10
	failures, err := j.library.Failures(context.Background())
	if err != nil {
		return err
	}
	shown := 0
	for _, f := range failures {
		if f.State != storage.Failed || !j.below(f.Path) {
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

func (j *indexJob) below(path string) bool {
	for _, s := range j.scanned {
		if rel, err := filepath.Rel(s.Folder.Path, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}
