package indexer

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// What goes wrong is told apart by what helps. A file that is no picture stays
// failed until it changes. What may pass (a disk, a copy still going on) is
// tried again by itself after growing pauses. What is ours, a model that fails
// or a decoder that brings its process down, waits for a better version.

// The first pause is short enough that a run waits for it at its end, each
// other is six times as long as the one before.
const (
	firstPause   = 5 * time.Second
	pauseGrowth  = 6
	longestPause = 6 * time.Hour
)

// retryIn is the pause after a file was tried for the nth time.
func retryIn(attempts int) time.Duration {
	pause := float64(firstPause) * math.Pow(pauseGrowth, float64(max(attempts, 1)-1))
	return time.Duration(min(pause, float64(longestPause)))
}

// readFailure says why a file could not be read.
func readFailure(err error, claim storage.Claim) *storage.Failure {
	failure := &storage.Failure{State: storage.Failed, RetryIn: retryIn(claim.Attempts), Suspect: claim.Suspect}
	switch {
	case errors.Is(err, errTooLarge):
		return &storage.Failure{State: storage.Failed, Code: "too-large", Text: err.Error()}
	case errors.Is(err, errChanging):
		failure.Code = "changing"
		failure.Text = err.Error() + "; it is tried again when it has come to rest"
	case errors.Is(err, fs.ErrNotExist):
		failure.Code = "not-found"
		failure.Text = "it is not there on the machine that tried; another may see it, and `shoebox index` notices when it was deleted"
	default:
		failure.Code = "io"
		failure.Text = fmt.Sprintf("cannot be read: %v; check its permissions and the disk", cause(err))
	}
	return failure
}

// cause drops the path from an error: a failure's row names the file.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

func decodeFailure(err error) *storage.Failure {
	var e *picture.Error
	if !errors.As(err, &e) {
		return &storage.Failure{State: storage.Failed, Code: "decode", Text: err.Error()}
	}
	if e.Unsupported {
		return &storage.Failure{State: storage.Unsupported, Code: e.Code, Text: e.Text, DecoderVersion: picture.DecoderVersion}
	}
	return &storage.Failure{State: storage.Failed, Code: e.Code, Text: e.Text}
}

func modelFailure(err error) *storage.Failure {
	return &storage.Failure{State: storage.Failed, Code: "model",
		Text: fmt.Sprintf("the model failed: %v; `shoebox failures --retry` tries again", err)}
}

// modelHangs is the code of a failure.
const modelHangs = "model-hangs"

// modelHung is for a picture of a batch that the model never answered: one of
// them may be why, so each is tried alone, and soon.
func modelHung(limit time.Duration) *storage.Failure {
	return &storage.Failure{State: storage.Failed, Code: modelHangs, RetryIn: firstPause, Suspect: true,
		Text: fmt.Sprintf("the model did not answer for %s when it had this picture and others; it is tried alone", limit)}
}
