// Package captioner writes a sentence about a picture, and says what else it
// may show.
//
// It joins the parts below it: picture turns a file's bytes into the pixels
// that the model sees, model is what was trained, onnx runs it. It never
// reads or stores photos.
package captioner

import (
	"fmt"

	"shoebox/captioner/model"
	"shoebox/captioner/onnx"
	"shoebox/captioner/picture"
	"shoebox/storage"
)

// BatchSize is how many pictures are captioned in one call. Beyond it a
// caption hardly gets cheaper (README, "Measured") while memory grows.
const BatchSize = 32

// Config says what to run.
type Config struct {
	Library  string // path of libonnxruntime.so
	ModelDir string // a folder made by train/export.py; empty: the shipped model
	Threads  int    // threads a call uses
}

// Captioner holds a loaded model. Its methods may be called by many
// goroutines.
type Captioner struct {
	artifact model.Artifact
	session  *onnx.Session
}

// Open loads the model and makes sure that it runs.
func Open(c Config) (*Captioner, error) {
	artifact, err := openArtifact(c.ModelDir)
	if err != nil {
		return nil, err
	}
	session, err := onnx.Open(c.Library, artifact.ONNX, artifact.Input.Width, artifact.Input.Height, c.Threads)
	if err != nil {
		return nil, fmt.Errorf("model %q: %w", artifact.Name, err)
	}
	artifact.ONNX = nil // the session has its own copy
	captioner := &Captioner{artifact: artifact, session: session}
	if err := captioner.tryOut(); err != nil {
		session.Close()
		return nil, fmt.Errorf("model %q does not work: %w", artifact.Name, err)
	}
	return captioner, nil
}

func openArtifact(dir string) (model.Artifact, error) {
	if dir == "" {
		return model.Shipped()
	}
	return model.Open(dir)
}

// tryOut captions a grey picture, so that a graph that does not fit its
// vocabulary fails before the first photo and not in the night.
func (c *Captioner) tryOut() error {
	size := c.Size()
	grey := make([]byte, size.Width*size.Height*3)
	for i := range grey {
		grey[i] = 128
	}
	_, err := c.Describe([][]byte{grey})
	return err
}

// Size is the size of the pictures that Describe takes.
func (c *Captioner) Size() picture.Size {
	return picture.Size{Width: c.artifact.Input.Width, Height: c.artifact.Input.Height}
}

// Name is the model's name for people.
func (c *Captioner) Name() string { return c.artifact.Name }

// Hash identifies the model in storage.
func (c *Captioner) Hash() string { return c.artifact.Hash }

// Vocabulary says what is meant by the words and classes of a Description.
func (c *Captioner) Vocabulary() storage.Vocabulary { return c.artifact.Vocabulary }

// Close frees the model.
func (c *Captioner) Close() error { return c.session.Close() }
