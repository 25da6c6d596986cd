package main

import (
	"context"
	"io"
	"log/slog"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/captioner/model"
	"shoebox/captioner/picture"
	"shoebox/indexer"
	"shoebox/indexer/isolate"
)

// trialMemory is what a file may take when it is tried alone, beyond the model:
// half as much again as is ever meant to be taken, so that what is not collected
// yet is not held against it.
func (m modelFlags) trialMemory() int64 { return int64(m.memory + m.memory/2) }

// limitHeap has what decoders left behind in Go's heap collected before the
// process outgrows its budget, and not when it has doubled. Decoding may take
// three quarters of the budget, of which a decoder in C takes half at the most;
// the rest is for Go. That is no hard limit: when Go's own decoders need more,
// because C needs less, the collector only runs more often.
func (m modelFlags) limitHeap() { debug.SetMemoryLimit(int64(m.memory - m.memory*3/8)) }

// callThreads is how many of the threads a call of the model uses, so that at
// most four run side by side: each takes memory of its own.
func (m modelFlags) callThreads() int { return (m.threads + 3) / 4 }

// openWorker prepares a worker. What it is to work on, and who is told of it, is
// still to be set, and chooseBatch to be called. close frees the model and ends
// the worker's child.
func openWorker(ctx context.Context, s *settings, m modelFlags, queue indexer.Queue, progress io.Writer) (w *indexer.Worker, closeWorker func(), err error) {
	call := m
	call.threads = m.callThreads()
	c, err := openCaptioner(ctx, s, call, progress)
	if err != nil {
		return nil, nil, err
	}
	self, err := indexer.Self(s.data)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	m.limitHeap()
	decoder, _ := picture.JPEGDecoder()
	slog.Debug("JPEG files are decoded", "with", decoder)
	alone := &isolate.Process{Args: trialArgs(s, m, c.Precision()), Memory: m.trialMemory(), Time: indexer.DecodeLimit}
	w = &indexer.Worker{
		Queue: queue, Captioner: c, Decode: picture.Decode, Alone: alone, Self: self,
		Readers: 2 * m.threads, Memory: picture.NewBudget(int64(m.memory)),
		Threads: m.threads, ModelThreads: call.threads, Batch: captioner.BatchSize,
		Progress: &indexer.Progress{}, Stages: &indexer.Stages{}, Committed: func() {},
	}
	if c.Device() != captioner.CPU {
		w.ModelThreads = 0
	}
	return w, func() { alone.Close(); c.Close() }, nil
}

// trialCommand is the hidden command of the process in which files that may have
// killed a worker are tried.
const trialCommand = "trial"

// trialArgs leave the GPU, if there is one, and its memory to the worker.
func trialArgs(s *settings, m modelFlags, precision model.Precision) []string {
	return []string{trialCommand, "--data=" + s.data, "--model=" + m.dir, "--device=" + string(captioner.CPU),
		"--precision=" + string(precision), "--threads=" + strconv.Itoa(m.threads),
		"--memory=" + m.memory.String()}
}

func newTrial(s *settings) *cobra.Command {
	var model modelFlags
	cmd := &cobra.Command{
		Use:    trialCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := model.open(cmd.Context(), s, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			model.limitHeap()
			indexer.ServeTrials(c, picture.Decode, int64(model.memory))
			return nil
		},
	}
	model.register(cmd)
	return cmd
}
