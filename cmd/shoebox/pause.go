package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"shoebox/indexer"
)

// pauseLook is how often a run that makes no headway looks whether somebody has
// paused it.
const pauseLook = 2 * time.Second

// pauseSaid is what a run says that is paused.
const pauseSaid = "paused: `shoebox resume` goes on"

func newPause(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "pause",
		Short: "Have all workers take no new photos, here and on other machines, until resume",
		Long: `pause has every worker of this library take no new photo, on other machines too;
what they have in hand is finished within seconds. Folders are still looked
through and search goes on. "index" waits meanwhile, also one that is started
then. It holds, through restarts, until "shoebox resume" or the button on the
library page.`,
		Args: cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			before, err := library.Paused(cmd.Context())
			if err != nil {
				return err
			}
			if !before.IsZero() {
				_, err = fmt.Fprintf(cmd.ErrOrStderr(), "paused already since %s; `shoebox resume` goes on\n", before.Local().Format("2006-01-02 15:04"))
				return err
			}
			if err := library.SetPaused(cmd.Context(), true); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.ErrOrStderr(), "paused: workers finish what they have in hand and take nothing new; `shoebox resume` goes on")
			return err
		}),
	}
}

func newResume(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "Have paused workers go on",
		Args:  cobra.NoArgs,
		RunE: withLibrary(s, func(cmd *cobra.Command, library *library, _ []string) error {
			before, err := library.Paused(cmd.Context())
			if err != nil {
				return err
			}
			if before.IsZero() {
				_, err = fmt.Fprintln(cmd.ErrOrStderr(), "nothing is paused")
				return err
			}
			if err := library.SetPaused(cmd.Context(), false); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.ErrOrStderr(), "workers that run go on; `shoebox index DIR` or `shoebox watch` starts one")
			return err
		}),
	}
}

// pauses tells when a run is paused (true) and when it goes on, until done is
// closed. It asks only while nothing gets done.
func (l *library) pauses(p *indexer.Progress, done <-chan struct{}) <-chan bool {
	news := make(chan bool)
	ctx, stop := context.WithCancel(context.Background())
	go func() { <-done; stop() }()
	go func() {
		tick := time.NewTicker(pauseLook)
		defer tick.Stop()
		paused, before := false, int64(0)
		for ctx.Err() == nil {
			files := p.Files()
			if paused || files == before {
				// What cannot be asked now is asked again.
				if since, err := l.Paused(ctx); err == nil && since.IsZero() == paused {
					paused = !paused
					select {
					case news <- paused:
					case <-ctx.Done():
					}
				}
			}
			before = files
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return news
}

// sayPause says what pauses tells.
func sayPause(w io.Writer, paused bool) {
	if paused {
		fmt.Fprintln(w, pauseSaid)
	} else {
		fmt.Fprintln(w, "resumed")
	}
}
