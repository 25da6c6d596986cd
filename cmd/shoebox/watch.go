package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/indexer"
	"shoebox/indexer/watch"
	"shoebox/storage"
	"shoebox/thumbs"
)

const (
	// waitLimit is how long a file is waited for that goes on changing.
	waitLimit = time.Minute
	// pollAtLeast is the shortest pause between two looks through a folder
	// of which the system does not tell what changes.
	pollAtLeast = time.Minute
)

func newWatch(s *settings) *cobra.Command {
	var model workFlags
	var flags webFlags
	tune := watch.Settings{Limit: waitLimit, Poll: pollAtLeast}
	cmd := &cobra.Command{
		Use:   "watch [DIR...]",
		Short: "Like index, and go on: caption photos as they come (no DIR: all folders that are indexed)",
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, dirs []string) error {
			workInBackground()
			direct := *library // a browser is told at once that there is no database
			defer library.longRun(cmd.Context(), s)()
			tune.Skip = s.data
			job := watchJob{settings: s, model: model, tune: tune, library: library, cmd: cmd, closeWorker: func() {}}
			job.site = site{
				settings: s, model: model.modelFlags, flags: flags, store: connected(&direct), loaded: job.loaded.Load,
				working: job.working.Load, thumbs: thumbs.In(s.data), memory: picture.NewBudget(int64(model.memory)), metrics: []prometheus.Collector{stageCollector{&job.stages}},
			}
			defer job.site.thumbs.Close()
			return job.run(cmd.Context(), dirs)
		}),
	}
	cmd.Flags().DurationVar(&tune.Quiet, "quiet", 2*time.Second, "how long a file must not have changed before it is taken up")
	cmd.Flags().DurationVar(&tune.Rescan, "rescan", time.Hour, "look through every folder this often, whatever the system tells")
	cmd.Flags().BoolVar(&tune.ConfirmEmpty, confirmEmpty, false, confirmEmptyUsage)
	flags.register(cmd, "", "the `ADDRESS` at which the library is shown in a browser, as serve does (default: nowhere)")
	model.register(cmd)
	return cmd
}

// watchJob is one run of `watch`.
type watchJob struct {
	settings *settings
	model    workFlags
	tune     watch.Settings
	library  *library
	cmd      *cobra.Command

	worker      *indexer.Worker // opened when there is work
	closeWorker func()
	loaded      atomic.Pointer[captioner.Captioner] // the worker's model

	working atomic.Bool // captioning now
	stages  indexer.Stages
	site    site // with an empty address: nothing is served
}

// run watches until a signal comes, which is how it is meant to end.
func (j *watchJob) run(ctx context.Context, dirs []string) error {
	// What has been captioned is made searchable also after Ctrl-C.
	graceful, stop := indexer.WithGrace(ctx)
	defer stop()
	folders, err := j.folders(ctx, dirs)
	if err != nil {
		return err
	}
	projector, err := newProjector(j.settings, j.library)
	if err != nil {
		return err
	}
	defer projector.Close()
	projector.stages = &j.stages
	done := make(chan struct{})
	var beside sync.WaitGroup
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	if err := j.serve(serving, projector, &beside); err != nil {
		return err
	}
	beside.Go(func() { projector.Follow(ctx, done) })
	watching := indexer.Watch{
		Store: j.library, Settings: j.tune, Folders: folders, Changed: projector.Wake,
		Work: func(ctx context.Context, roots map[int64]indexer.Root) error { return j.caption(ctx, roots, projector) },
	}
	err = watching.Run(ctx)
	close(done)
	stopServing()
	beside.Wait()
	j.closeWorker()
	return errors.Join(err, projector.Finish(graceful))
}

// serve shows the library in a browser beside the work, if that is wanted.
func (j *watchJob) serve(ctx context.Context, p *projector, beside *sync.WaitGroup) error {
	if j.site.flags.listen == "" {
		return nil
	}
	listener, err := net.Listen("tcp", j.site.flags.listen)
	if err != nil {
		return err
	}
	j.site.index = func() *projector { return p }
	beside.Go(func() {
		if err := j.site.serve(ctx, listener, j.cmd.OutOrStdout(), j.cmd.ErrOrStderr()); err != nil && ctx.Err() == nil {
			slog.Error("the library is no longer shown in a browser", "error", err)
		}
	})
	return nil
}

// folders remembers the folders that were named and returns how to list what
// to watch: those, or all.
func (j *watchJob) folders(ctx context.Context, dirs []string) (func(context.Context) ([]storage.Folder, error), error) {
	if err := refuseTypos(ctx, j.library, dirs); err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		all, err := j.library.Folders(ctx)
		if err == nil && len(all) == 0 {
			err = errors.New("nothing is indexed yet: shoebox watch DIR")
		}
		return j.library.Folders, err
	}
	var named []storage.Folder
	for _, dir := range dirs {
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		folder, err := j.library.AddFolder(ctx, path)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(named, func(f storage.Folder) bool { return f.ID == folder.ID }) {
			named = append(named, folder)
		}
	}
	return func(context.Context) ([]storage.Folder, error) { return named, nil }, nil
}

// caption runs the worker until nothing is left.
func (j *watchJob) caption(ctx context.Context, roots map[int64]indexer.Root, projector *projector) (err error) {
	if j.worker == nil {
		j.worker, j.closeWorker, err = openWorker(ctx, j.settings, j.model.modelFlags, j.library, j.cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		j.worker.Committed, j.worker.Stages = projector.Wake, &j.stages
		j.worker.Memory = j.site.memory // together with the page
		keepThumbs(j.worker, j.site.thumbs)
		if model, ok := j.worker.Captioner.(*captioner.Captioner); ok {
			j.loaded.Store(model)
		}
	}
	var progress indexer.Progress
	j.worker.Roots, j.worker.Progress = roots, &progress
	counts, err := j.library.CountFiles(ctx, slices.Collect(maps.Keys(roots)))
	if err != nil {
		return err
	}
	if err := j.model.chooseBatch(j.settings, j.worker, counts.Pending); err != nil {
		return err
	}
	done := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() {
		showProgress(j.cmd.ErrOrStderr(), &progress, counts.Pending+counts.Leased, j.library.pauses(&progress, done), done)
	})
	began := time.Now()
	j.working.Store(true)
	err = j.worker.Run(ctx)
	j.working.Store(false)
	close(done)
	beside.Wait()
	if progress.Files() == 0 {
		return err
	}
	slog.Info("captioned", "photos", progress.Captioned.Load(), "known", progress.Linked.Load(),
		"failed", progress.Failed.Load()+progress.Unsupported.Load(), "took", round(time.Since(began)))
	return err
}
