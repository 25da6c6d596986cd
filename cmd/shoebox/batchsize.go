package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/indexer"
)

// workFlags are those of commands that work on many photos.
type workFlags struct {
	modelFlags
	batch int // pictures of a call of the model; 0: the fastest
}

func (f *workFlags) register(cmd *cobra.Command) {
	f.modelFlags.register(cmd)
	cmd.Flags().IntVar(&f.batch, "batch", 0, "pictures that the model is given at once (default: what is fastest here, measured once)")
}

const (
	// worthMeasuring is how many photos must wait for a measurement of two
	// seconds. With fewer, a run is to begin at once.
	worthMeasuring = 500
	mostBatch      = 1024
)

// chooseBatch sets how many pictures the worker gives to the model at once:
// what --batch says, else what was found to be fastest here, else, when many
// photos wait, what is found to be fastest now.
func (f workFlags) chooseBatch(s *settings, w *indexer.Worker, waiting int) error {
	if f.batch != 0 {
		if f.batch < 1 || f.batch > mostBatch {
			return &usageError{fmt.Errorf("--batch %d: want 1 to %d", f.batch, mostBatch)}
		}
		w.Batch = f.batch
		return nil
	}
	file := filepath.Join(s.data, "batches.json")
	// All calls together take memory for as many pictures as one would.
	most := max(captioner.BatchSize/w.Calls(), 1)
	device, sizes := fmt.Sprintf("cpu with %d of %d threads a call", w.ModelThreads, w.Threads), []int{max(most/4, 1), max(most/2, 1), most}
	if w.ModelThreads == 0 {
		device, sizes = "gpu", gpuBatches
	}
	key := strings.Join([]string{w.Self.Machine, device, w.Captioner.Hash()}, " ")
	known := readBatches(file)
	if w.Batch = known[key]; w.Batch >= 1 && w.Batch <= mostBatch {
		return nil
	}
	if w.Batch = most; waiting < worthMeasuring {
		return nil
	}
	began := time.Now()
	fastest, err := indexer.FastestBatch(w.Captioner, w.Calls(), sizes)
	if err != nil {
		return err
	}
	slog.Debug("fastest batch", "pictures", fastest, "took", time.Since(began))
	w.Batch, known[key] = fastest, fastest
	if err := writeBatches(file, known); err != nil {
		slog.Warn("the fastest size of a batch is measured again next time", "error", err)
	}
	return nil
}

// gpuBatches are the sizes that are tried on a GPU.
var gpuBatches = []int{16, 32, 64, 128, 256}

// readBatches reads the sizes by what they were measured with; a file that is
// not there or that cannot be read holds none.
func readBatches(file string) map[string]int {
	known := make(map[string]int)
	if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &known) != nil {
		return make(map[string]int)
	}
	return known
}

func writeBatches(file string, known map[string]int) error {
	text, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}
