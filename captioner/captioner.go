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
	Library   string          // path of libonnxruntime.so: of a CUDA build where a GPU may be used
	ModelDir  string          // a folder made by train/export.py; empty: the shipped model
	Threads   int             // threads a call uses
	Device    Device          // empty: Auto
	Precision model.Precision // empty: what the model is best run with on the device
}

// Captioner holds a loaded model. Its methods may be called by many
// goroutines.
type Captioner struct {
	artifact   model.Artifact
	session    *onnx.Session
	device     Device
	whyNotCUDA *NoCUDAError
}

// Open loads the model and makes sure that it runs. Where a GPU may be used and
// cannot, Auto takes the processor; CUDA is an error that says why.
func Open(c Config) (*Captioner, error) {
	artifact, err := openArtifact(c.ModelDir)
	if err != nil {
		return nil, err
	}
	whyNot := c.whyNotCUDA()
	if whyNot == nil {
		captioner, err := c.open(artifact, CUDA)
		if err == nil {
			return captioner, nil
		}
		whyNot = err
	}
	if c.Device == CUDA {
		return nil, &NoCUDAError{whyNot}
	}
	captioner, err := c.open(artifact, CPU)
	if err == nil && c.Device != CPU {
		captioner.whyNotCUDA = &NoCUDAError{whyNot}
	}
	return captioner, err
}

// open loads the model on a device.
func (c Config) open(artifact model.Artifact, device Device) (*Captioner, error) {
	artifact, err := artifact.In(c.precision(artifact, device))
	if err != nil {
		return nil, err
	}
	session, err := onnx.Open(onnx.Options{
		Library: c.Library, Graph: artifact.ONNX, Width: artifact.Input.Width, Height: artifact.Input.Height,
		Threads: c.Threads, CUDA: device == CUDA,
	})
	if err != nil {
		return nil, fmt.Errorf("model %q: %w", artifact.Name, err)
	}
	artifact.ONNX = nil // the session has its own copy
	captioner := &Captioner{artifact: artifact, session: session, device: device}
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

// Name is the model's name for people, with its precision unless that is FP32.
func (c *Captioner) Name() string { return c.artifact.Title() }

// Hash identifies the model in storage. It is another one for each precision.
func (c *Captioner) Hash() string { return c.artifact.Hash }

// Vocabulary says what is meant by the words and classes of a Description.
func (c *Captioner) Vocabulary() storage.Vocabulary { return c.artifact.Vocabulary }

// Close frees the model.
func (c *Captioner) Close() error { return c.session.Close() }
