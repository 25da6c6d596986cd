package indexer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"shoebox/captioner/picture"
	"shoebox/indexer/isolate"
	"shoebox/storage"
)

// strikes is how often a suspect may bring down a process of its own before it
// is set aside. Only that counts: a worker may die of a power cut.
const strikes = 3

// children is how many processes a suspect may lose without a fault of its own,
// because somebody killed them or they could not be started, before it is left
// for later.
const children = 3

// sight is what became of looking at a file: a photo or a failure. A child
// process sends it as JSON, a photo with its caption.
type sight struct {
	Photo   *storage.Photo   `json:",omitempty"` // without its ID
	Failure *storage.Failure `json:",omitempty"`
	pixels  []byte           // nil: the photo has its caption
	small   picture.Rendition
	took    struct{ decoding, resizing time.Duration }
}

// estimate returns how much memory decoding a file takes, or why it will not be
// decoded.
func estimate(data []byte, size picture.Size, budget int64) (int64, *storage.Failure) {
	need, err := picture.EstimateMemory(data, size)
	if err != nil {
		return 0, decodeFailure(err)
	}
	if need > budget {
		return 0, &storage.Failure{State: storage.Failed, Code: "too-large",
			Text: fmt.Sprintf("decoding takes %d MB of memory, and %d MB are for decoding: give --memory %dM",
				need>>20, budget>>20, (need+need/3)>>20+1)}
	}
	return need, nil
}

func decode(decoder Decoder, data []byte, size picture.Size) sight {
	began := time.Now()
	pic, err := decoder(data, size)
	if err != nil {
		return sight{Failure: decodeFailure(err)}
	}
	decoded := time.Now()
	seen := sight{pixels: pic.Pixels, small: pic.Small, Photo: &storage.Photo{
		Pixels: sha256.Sum256(pic.Pixels), Format: pic.Format,
		Width: pic.Width, Height: pic.Height, Damaged: pic.Damaged, Metadata: pic.Metadata,
	}}
	seen.took.decoding = decoded.Sub(began) - pic.Resizing
	seen.took.resizing = pic.Resizing + time.Since(decoded)
	return seen
}

// ServeTrials is the life of the child process in which suspects are tried: it
// decodes and captions one file after another, because either can be what kills
// a worker, and never returns. memory is that of a Worker's budget, in bytes.
func ServeTrials(c Captioner, decoder Decoder, memory int64) {
	isolate.Serve(func(data []byte) []byte {
		answer, err := json.Marshal(try(c, decoder, data, picture.NewBudget(memory).MostDecoding()))
		if err != nil { // no photo is the reason: its numbers are finite
			panic(fmt.Sprintf("a photo as JSON: %v", err))
		}
		return answer
	})
}

func try(c Captioner, decoder Decoder, data []byte, budget int64) sight {
	if _, failure := estimate(data, c.Size(), budget); failure != nil {
		return sight{Failure: failure}
	}
	seen := decode(decoder, data, c.Size())
	if seen.Failure != nil {
		return seen
	}
	descriptions, err := c.Describe([][]byte{seen.pixels})
	if err != nil {
		return sight{Failure: modelFailure(err)}
	}
	describe(seen.Photo, descriptions[0])
	return seen
}

// tryAlone has a child process look at a file. What it does to the child counts
// against the file; that the child could not be had counts against nobody.
func (w *Worker) tryAlone(ctx context.Context, claim storage.Claim, data []byte) (sight, error) {
	for struck, lost := 0, 0; ; {
		var seen sight
		answer, err := w.Alone.Do(ctx, data)
		if err == nil {
			err = json.Unmarshal(answer, &seen)
		}
		if err == nil {
			return seen, nil
		}
		if ctx.Err() != nil {
			return sight{}, ctx.Err()
		}
		slog.Warn("a suspect could not be captioned alone", "file", claim.Path, "error", err)
		var fault *isolate.Fault
		if !errors.As(err, &fault) {
			if lost++; lost < children {
				continue
			}
			return sight{Failure: &storage.Failure{
				State: storage.Failed, Code: "untried", RetryIn: retryIn(claim.Attempts), Suspect: true,
				Text: fmt.Sprintf("a worker died while it had this file, and it could not be tried alone: %v", err),
			}}, nil
		}
		slog.Debug("what the process said", "output", fault.Output)
		if struck++; struck == strikes {
			return sight{Failure: &storage.Failure{
				State: storage.Failed, Code: "killed-the-worker", Suspect: true,
				Text: fmt.Sprintf("it ended the process that worked on it, %d times of %d: %s; "+
					"a newer version may read it, `shoebox failures --retry` tries again", strikes, strikes, fault.Reason),
			}}, nil
		}
	}
}
