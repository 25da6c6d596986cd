package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/cmd/shoebox/runtime"
)

func newSetup(s *settings) *cobra.Command {
	device := newDevice()
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Fetch ONNX Runtime and Postgres, pinned by hash, into the data folder",
		Long: `setup fetches what the other commands run on, each file pinned by hash, into the
data folder. With --device cuda that includes ONNX Runtime for NVIDIA's GPUs and
the libraries of CUDA 12 and cuDNN 9 that it needs: 1.9 GB to fetch, 2.9 GB
on disk. The driver, 525 or newer, is the system's.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parts := []runtime.Part{runtime.ONNXRuntime, runtime.Postgres}
			if device.value == string(captioner.CUDA) {
				parts = append(parts, runtime.CUDA)
			}
			installed, err := runtime.Setup(cmd.Context(), s.data, cmd.ErrOrStderr(), parts...)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			_, err = fmt.Fprintf(out, "ONNX Runtime: %s\nPostgres: %s\n", installed.ONNXRuntime, installed.PostgresBin)
			if err == nil && installed.CUDA != "" {
				_, err = fmt.Fprintf(out, "%s: %s\n", runtime.CUDA, installed.CUDA)
			}
			return err
		},
	}
	cmd.Flags().Var(&device, "device", "what to fetch for captioning; CUDA only where it is asked for")
	return cmd
}
