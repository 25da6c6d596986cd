package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"shoebox/indexer"
)

func newWork(s *settings) *cobra.Command {
	var model workFlags
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Caption what others have found: any number of these share one DATABASE_URL",
		Long: `work captions the waiting photos of all folders that this machine sees, until it
is stopped. It scans nothing: "index" and "watch", here or on another machine,
find the photos. A folder that is mounted elsewhere here than there is named
with "folders map".`,
		Args: cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			defer library.longRun(cmd.Context(), s)()
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			worker, closeWorker, err := openWorker(ctx, s, model.modelFlags, library, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer closeWorker()
			counts, err := library.CountFiles(ctx, nil)
			if err != nil {
				return err
			}
			if err := model.chooseBatch(s, worker, counts.Pending); err != nil {
				return err
			}
			worker.Refresh = indexer.NewLookout(library).Look
			done := make(chan struct{})
			var beside sync.WaitGroup
			beside.Go(func() { sayRate(cmd.ErrOrStderr(), worker.Progress, library.pauses(worker.Progress, done), done) })
			err = worker.Run(ctx)
			close(done)
			beside.Wait()
			p := worker.Progress
			fmt.Fprintf(out, "%d photos captioned, %d failed\n", p.Captioned.Load(), p.Failed.Load())
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return nil // being stopped is how this ends
			}
			return err
		}),
	}
	model.register(cmd)
	return cmd
}
