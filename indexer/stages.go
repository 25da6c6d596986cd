package indexer

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Stage is a part of a photo's way through a worker.
type Stage int

// The stages, in their order.
const (
	Reading    Stage = iota // from the disk
	Hashing                 // the file's bytes
	Asking                  // storage whether the photo is known
	Decoding                // to samples, and reading metadata
	Resizing                // to the model's size, and hashing those pixels
	Keeping                 // a thumbnail, where one is made
	Waiting                 // for a batch to be full and the model to be free
	Describing              // by the model; its time is shared by the batch
	Writing                 // to storage; the same
	Projecting              // into the search index; the same
	stages
)

func (s Stage) String() string {
	return [stages]string{"read", "hash", "ask", "decode", "resize", "thumbnail", "wait", "model", "write", "search"}[s]
}

// Stages adds up where the time of workers goes. It costs two additions a photo
// and stage, so it is always on. The zero value is ready; many goroutines may
// write and read.
type Stages struct {
	spent   [stages]struct{ nanoseconds, photos atomic.Int64 }
	batches [sizes]atomic.Int64
	waiting atomic.Int64
}

// sizes is how many sizes of batches are told apart: up to 1, 2, 4, ... 1024.
const sizes = 11

// Add says that a stage took a time for some photos together.
func (s *Stages) Add(stage Stage, photos int, took time.Duration) {
	s.spent[stage].nanoseconds.Add(int64(took))
	s.spent[stage].photos.Add(int64(photos))
}

// addBatch counts a call of the model.
func (s *Stages) addBatch(pictures int) {
	s.batches[min(bits.Len(uint(max(pictures, 1)-1)), sizes-1)].Add(1)
}

// Figures are sums since the start. Times are by the clock: where goroutines
// wait for a processor, that counts too, and goroutines that work side by side
// add up to more than the time that passed.
type Figures struct {
	Stages  []StageFigure // in the order of a photo's way
	Batches []BatchFigure // calls of the model, by growing size
	Queue   int64         // pictures that are decoded and not with the model yet
}

// StageFigure is the sum of a stage.
type StageFigure struct {
	Stage  Stage
	Took   time.Duration
	Photos int64 // that came through
}

// BatchFigure counts the calls of the model with at most so many pictures and
// more than the size before.
type BatchFigure struct {
	Most  int
	Calls int64
}

// Figures returns what there is now.
func (s *Stages) Figures() Figures {
	var f Figures
	for stage := range stages {
		spent := &s.spent[stage]
		f.Stages = append(f.Stages, StageFigure{stage, time.Duration(spent.nanoseconds.Load()), spent.photos.Load()})
	}
	for i := range s.batches {
		f.Batches = append(f.Batches, BatchFigure{1 << i, s.batches[i].Load()})
	}
	f.Queue = s.waiting.Load()
	return f
}
