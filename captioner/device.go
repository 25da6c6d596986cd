package captioner

import (
	"errors"
	"fmt"

	"shoebox/captioner/model"
	"shoebox/captioner/onnx"
)

// Device is what a model runs on, or is wanted to.
type Device string

// The devices.
const (
	Auto Device = "auto" // CUDA where it can be used, else CPU
	CPU  Device = "cpu"
	CUDA Device = "cuda" // an NVIDIA GPU
)

// NoCUDAError says why a GPU that was asked for cannot be used.
type NoCUDAError struct{ Reason error }

func (e *NoCUDAError) Error() string { return fmt.Sprintf("the GPU cannot be used: %v", e.Reason) }
func (e *NoCUDAError) Unwrap() error { return e.Reason }

// Advice says what to do about it.
func (e *NoCUDAError) Advice() string {
	var cuda *onnx.CUDAError
	switch {
	case errors.As(e.Reason, &cuda):
		return cuda.Advice
	case errors.Is(e.Reason, ErrNoCUDABuild):
		return "`shoebox setup --device cuda` fetches it"
	case errors.Is(e.Reason, ErrINT8):
		return "leave out --precision int8"
	}
	return "see what `nvidia-smi` says"
}

// Reasons that are no defects of the machine.
var (
	errNotWanted = errors.New("the processor was asked for")
	// ErrINT8 says that Config.Precision is for processors only.
	ErrINT8 = errors.New("it has no kernels for int8")
	// ErrNoCUDABuild says that Config.Library is an ONNX Runtime that cannot use GPUs.
	ErrNoCUDABuild = errors.New("the CUDA build of ONNX Runtime is not installed")
)

// whyNotCUDA says why the model cannot run on a GPU; nil: it can be tried.
func (c Config) whyNotCUDA() error {
	switch {
	case c.Device == CPU:
		return errNotWanted
	case c.Precision == model.INT8:
		return ErrINT8
	case !onnx.IsCUDABuild(c.Library):
		return ErrNoCUDABuild
	}
	return onnx.CheckCUDA(c.Library)
}

// precision is what the model runs with on a device.
func (c Config) precision(artifact model.Artifact, device Device) model.Precision {
	switch {
	case c.Precision != "":
		return c.Precision
	case device == CUDA:
		return model.FP32 // int8 has no kernels there
	}
	return artifact.Precision
}

// Device is what the model runs on: CPU or CUDA.
func (c *Captioner) Device() Device { return c.device }

// Precision is what the model computes with.
func (c *Captioner) Precision() model.Precision { return c.artifact.Precision }

// WhyNotCUDA says why the model runs on the processor although Auto was asked
// for; nil where it does not.
func (c *Captioner) WhyNotCUDA() *NoCUDAError { return c.whyNotCUDA }
