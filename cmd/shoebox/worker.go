package main

import (
	"context"
	"io"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"shoebox/captioner/picture"
	"shoebox/indexer"
	"shoebox/indexer/isolate"
)

// memoryBudget is what reading and decoding may take together, bytes. With
// the model and its batch the process stays under 1 GB (README, "Measured").
const memoryBudget = 800 << 20

// trialMemory is what a file may take when it is tried alone, beyond the model:
// half as much again as is ever meant to be taken, so that what is not collected
// yet is not held against it.
const trialMemory = memoryBudget + memoryBudget/2

// openWorker prepares a worker. What it is to work on, and who is told of it, is
// still to be set. close frees the model and ends the worker's child.
func openWorker(ctx context.Context, s *settings, m modelFlags, queue indexer.Queue, progress io.Writer) (w *indexer.Worker, closeWorker func(), err error) {
	c, err := openCaptioner(ctx, s, m, progress)
	if err != nil {
		return nil, nil, err
	}
	self, err := indexer.Self(s.data)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	// What decoders left behind is collected before the process outgrows its
	// budget, and not when it has doubled.
	debug.SetMemoryLimit(memoryBudget)
	alone := &isolate.Process{Args: trialArgs(s, m), Memory: trialMemory, Time: indexer.DecodeLimit}
	w = &indexer.Worker{
		Queue: queue, Captioner: c, Decode: picture.Decode, Alone: alone, Self: self,
		Readers: m.threads, Memory: memoryBudget,
		Progress: &indexer.Progress{}, Committed: func() {},
	}
	return w, func() { alone.Close(); c.Close() }, nil
}

// trialCommand is the hidden command of the process in which files that may have
// killed a worker are tried.
const trialCommand = "trial"

func trialArgs(s *settings, m modelFlags) []string {
	return []string{trialCommand, "--data=" + s.data, "--model=" + m.dir, "--threads=" + strconv.Itoa(m.threads)}
}

func newTrial(s *settings) *cobra.Command {
	var model modelFlags
	cmd := &cobra.Command{
		Use:    trialCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := openCaptioner(cmd.Context(), s, model, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			debug.SetMemoryLimit(memoryBudget)
			indexer.ServeTrials(c, picture.Decode, memoryBudget)
			return nil
		},
	}
	model.register(cmd)
	return cmd
}
