package indexer

import (
	"sync/atomic"

	"shoebox/storage"
)

// Progress counts the work that one run has done, in files. Results that were
// dropped, because the file changed or was taken over, count too. It is read
// while workers write.
type Progress struct {
	Captioned   atomic.Int64 // by the model, in this run
	Linked      atomic.Int64 // copies, moves and rewritten files whose photo had a caption
	Sidecars    atomic.Int64 // known files of which only the sidecar was new, changed or gone
	Failed      atomic.Int64
	Unsupported atomic.Int64
	Vanished    atomic.Int64
	Unsure      atomic.Int64 // of the captioned
	Damaged     atomic.Int64 // of the captioned
}

// Files is how many files are finished, whatever the outcome.
func (p *Progress) Files() int64 {
	return p.Captioned.Load() + p.Linked.Load() + p.Sidecars.Load() + p.Failed.Load() + p.Unsupported.Load() + p.Vanished.Load()
}

func (p *Progress) add(batch []item) {
	for _, it := range batch {
		r := it.result
		switch {
		case it.givenBack:
		case it.gone:
			p.Vanished.Add(1)
		case r.Failure != nil && r.Failure.State == storage.Unsupported:
			p.Unsupported.Add(1)
		case r.Failure != nil:
			p.Failed.Add(1)
		case it.captioned:
			p.Captioned.Add(1)
			if r.Photo.Unsure {
				p.Unsure.Add(1)
			}
			if r.Photo.Damaged {
				p.Damaged.Add(1)
			}
		case r.Claim.Known != (storage.PhotoID{}):
			p.Sidecars.Add(1)
		default:
			p.Linked.Add(1)
		}
	}
}
