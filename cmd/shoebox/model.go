package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	stdruntime "runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/captioner/model"
	"shoebox/cmd/shoebox/runtime"
)

// modelFlags choose the captioning model, what it runs on and what captioning
// may take.
type modelFlags struct {
	dir       string
	device    choice
	precision choice
	threads   int
	memory    byteSize
}

func (m *modelFlags) register(cmd *cobra.Command) {
	m.registerModel(cmd)
	cmd.Flags().IntVar(&m.threads, "threads", stdruntime.NumCPU(), "processor threads to use")
	m.memory = defaultMemory
	cmd.Flags().Var(&m.memory, "memory", "what reading and decoding pictures may take together")
}

// registerModel leaves out what only matters to commands that caption.
func (m *modelFlags) registerModel(cmd *cobra.Command) {
	m.device = newDevice()
	m.precision = choice{auto, []string{auto, string(model.FP32), string(model.INT8)}}
	cmd.Flags().StringVar(&m.dir, "model", "", "folder of another model, as train/export.py writes it (default the model in the binary)")
	cmd.Flags().Var(&m.device, "device", "what the model runs on; auto takes an NVIDIA GPU where it can")
	cmd.Flags().Var(&m.precision, "precision", "what the model computes with; auto takes what its maker chose for the device")
}

func newDevice() choice {
	return choice{auto, []string{auto, string(captioner.CUDA), string(captioner.CPU)}}
}

// auto leaves a choice to the program.
const auto = string(captioner.Auto)

// choice is a flag with one of a few values.
type choice struct {
	value string
	of    []string
}

func (c *choice) Set(value string) error {
	if !slices.Contains(c.of, value) {
		return fmt.Errorf("want one of %s", strings.Join(c.of, ", "))
	}
	c.value = value
	return nil
}

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return strings.Join(c.of, "|") }

// config says how to run the model with the runtime that is installed.
func (m *modelFlags) config(installed runtime.Runtime) captioner.Config {
	c := captioner.Config{
		Library: installed.ONNXRuntime, ModelDir: m.dir, Threads: m.threads, Device: captioner.Device(m.device.value),
	}
	if m.precision.value != auto {
		c.Precision = model.Precision(m.precision.value)
	}
	if installed.CUDA != "" && c.Device != captioner.CPU {
		c.Library = installed.CUDA
	}
	return c
}

// artifact reads the model in the precision in which config has it run, without
// making it run: where there is a CUDA build, a GPU is taken for granted.
func (m *modelFlags) artifact(s *settings) (model.Artifact, error) {
	artifact, err := openModel(m.dir)
	if err != nil {
		return artifact, err
	}
	installed, _ := runtime.Find(s.data)
	switch c := m.config(installed); {
	case c.Precision != "":
		return artifact.In(c.Precision)
	case installed.CUDA != "" && c.Library == installed.CUDA:
		return artifact.In(model.FP32)
	}
	return artifact, nil
}

// openModel reads the model in a folder, or for "" the one in the binary,
// without making it run.
func openModel(dir string) (model.Artifact, error) {
	if dir == "" {
		return model.Shipped()
	}
	return model.Open(dir)
}

// openCaptioner loads the model and logs what it runs on.
func openCaptioner(ctx context.Context, s *settings, m modelFlags, progress io.Writer) (*captioner.Captioner, error) {
	c, err := m.open(ctx, s, progress)
	if err != nil {
		return nil, err
	}
	attributes := []any{"name", c.Name(), "device", c.Device(), "precision", c.Precision()}
	if why := c.WhyNotCUDA(); why != nil {
		attributes = append(attributes, "no_gpu", whyNoGPU(why))
	}
	slog.Info("model loaded", attributes...)
	return c, nil
}

// open loads the model, fetching the runtime first if it is missing.
func (m *modelFlags) open(ctx context.Context, s *settings, progress io.Writer) (*captioner.Captioner, error) {
	if m.threads < 1 {
		return nil, &usageError{fmt.Errorf("--threads %d: want 1 or more", m.threads)}
	}
	installed, err := ensureRuntime(ctx, s, progress, runtime.ONNXRuntime)
	if err != nil {
		return nil, err
	}
	c, err := captioner.Open(m.config(installed))
	var noCUDA *captioner.NoCUDAError
	if errors.As(err, &noCUDA) {
		return nil, fmt.Errorf("%w: %s; or leave out --device cuda", err, noCUDA.Advice())
	}
	return c, err
}

// whyNoGPU is why the GPU is not used, and what to do if there is one.
func whyNoGPU(why *captioner.NoCUDAError) string {
	if errors.Is(why, captioner.ErrNoCUDABuild) && !runtime.HasGPU() {
		return "the system shows none of NVIDIA's"
	}
	return fmt.Sprintf("%v: %s", why.Reason, why.Advice())
}
