package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// start measures how long commands take from their start to their end, over the
// repository's photos.
func (b *bench) start(ctx context.Context) error {
	data := filepath.Join(b.dir, "start")
	photos := filepath.Join("testdata", "photos")
	shoebox := func(args ...string) func() error {
		return func() error {
			cmd := exec.CommandContext(ctx, b.program, append([]string{args[0], "--data", data}, args[1:]...)...)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
			}
			return nil
		}
	}
	if err := shoebox("index", photos)(); err != nil {
		return err
	}
	if err := b.timed("search, cold, nobody holds the index", "under 30 ms", shoebox("search", "two dogs in the snow")); err != nil {
		return err
	}
	if err := b.timed("a photo captioned, cold", "", shoebox("caption", filepath.Join(photos, "rocket.jpg"))); err != nil {
		return err
	}
	// While a process works, the server is up and the index is held.
	server := exec.CommandContext(ctx, b.program, "watch", "--data", data, photos)
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	if err := server.Start(); err != nil {
		return err
	}
	defer func() { _ = server.Cancel(); _ = server.Wait() }()
	if err := shoebox("status")(); err != nil {
		return err
	}
	if err := b.timed("status, the server up", "under 30 ms", shoebox("status")); err != nil {
		return err
	}
	if err := b.timed("search, another process holds the index", "under 30 ms", shoebox("search", "two dogs in the snow")); err != nil {
		return err
	}
	return b.timed("index, nothing to do, the server up", "", shoebox("index", photos))
}

// timed adds the median of some runs of a command.
func (b *bench) timed(what, goal string, command func() error) error {
	const runs = 15
	var took []float64
	for range runs {
		began := time.Now()
		if err := command(); err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds()*1000)
	}
	b.add(row{what: what, figure: fmt.Sprintf("%.0f ms", median(took)), goal: goal})
	return nil
}
