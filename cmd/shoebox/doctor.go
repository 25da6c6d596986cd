package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdruntime "runtime"

	"github.com/spf13/cobra"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/cmd/shoebox/runtime"
	"shoebox/search"
)

func newDoctor(s *settings) *cobra.Command {
	var model modelFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything the other commands need and say what to do about it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bad := 0
			for _, check := range checks(cmd.Context(), s, model) {
				if !check.OK {
					bad++
				}
				if err := printCheck(cmd, check, asJSON); err != nil {
					return err
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of these checks failed", bad)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	model.registerModel(cmd)
	return cmd
}

// checks looks at everything; what needs a part that is missing is left out.
func checks(ctx context.Context, s *settings, m modelFlags) []runtime.Check {
	all := []runtime.Check{
		runtime.CheckPlatform(), runtime.CheckData(s.data), runtime.CheckDisk(s.data), runtime.CheckONNXRuntime(s.data),
	}
	if s.databaseURL == "" {
		all = append(all, runtime.CheckPostgres(ctx, s.data), runtime.CheckServerUser(s.data))
	}
	all = append(all, runtime.CheckPip(ctx, s.data), checkJPEG())
	found, _ := runtime.Find(s.data)
	if found.ONNXRuntime != "" {
		all = append(all, checkModel(m, found))
	}
	if found.PostgresBin != "" || s.databaseURL != "" {
		all = append(all, checkDatabase(ctx, s))
	}
	return append(all, checkIndex(ctx, s))
}

// checkJPEG is never wrong: every machine decodes JPEG files, some faster.
func checkJPEG() runtime.Check {
	check := runtime.Check{Name: "JPEG decoder", OK: true}
	var system bool
	if check.Detail, system = picture.JPEGDecoder(); !system {
		check.Advice = "libturbojpeg 2.0 or later decodes photos in two thirds of the time: install it (Debian, Ubuntu: libturbojpeg0; " +
			"Fedora: turbojpeg), or name the folder of a copy in LD_LIBRARY_PATH"
	}
	return check
}

// checkModel runs the model as the other commands do with the same flags and
// settings.
func checkModel(m modelFlags, found runtime.Runtime) runtime.Check {
	check := runtime.Check{Name: "model"}
	config := m.config(found)
	config.Threads = stdruntime.NumCPU()
	c, err := captioner.Open(config)
	var noCUDA *captioner.NoCUDAError
	switch {
	case errors.As(err, &noCUDA):
		check.Detail, check.Advice = err.Error(), noCUDA.Advice()
		return check
	case err != nil:
		check.Detail, check.Advice = err.Error(), "build shoebox again, or name another library with SHOEBOX_ONNXRUNTIME"
		return check
	}
	defer c.Close()
	check.OK, check.Detail = true, fmt.Sprintf("%s (%.12s) runs in %s on %s with %s", c.Name(), c.Hash(), c.Precision(), c.Device(), config.Library)
	if why := c.WhyNotCUDA(); why != nil {
		check.Detail += "; no GPU: " + whyNoGPU(why)
	}
	return check
}

func checkDatabase(ctx context.Context, s *settings) runtime.Check {
	check := runtime.Check{Name: "database"}
	library, err := openLibrary(ctx, s, io.Discard)
	if err != nil {
		check.Detail, check.Advice = err.Error(), "if DATABASE_URL is set: see that it is right and that the server runs"
		return check
	}
	defer library.Close()
	counts, err := library.CountFiles(ctx, nil)
	if err != nil {
		check.Detail, check.Advice = err.Error(), "see the server's log"
		return check
	}
	check.OK, check.Detail = true, fmt.Sprintf("%d files captioned, %d waiting", counts.Done, counts.Pending+counts.Leased)
	return check
}

func checkIndex(ctx context.Context, s *settings) runtime.Check {
	check := runtime.Check{Name: "search index"}
	index, err := search.Open(ctx, indexDir(s))
	if errors.Is(err, search.ErrNoIndex) {
		check.OK, check.Detail = true, "nothing is indexed yet"
		return check
	}
	if err != nil {
		check.Detail, check.Advice = err.Error(), "`shoebox index` builds it again from the database"
		return check
	}
	defer index.Close()
	info, err := index.Info(ctx)
	if err != nil {
		check.Detail, check.Advice = err.Error(), "`shoebox index` builds it again from the database"
		return check
	}
	check.OK, check.Detail = true, fmt.Sprintf("%d photos", info.Photos)
	return check
}

// checkLine is a line of `doctor --json`.
type checkLine struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"`
}

func printCheck(cmd *cobra.Command, c runtime.Check, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), checkLine(c))
	}
	verdict := "ok   "
	if !c.OK {
		verdict = "WRONG"
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s: %s\n", verdict, c.Name, c.Detail)
	if err == nil && c.Advice != "" {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "       %s\n", c.Advice)
	}
	return err
}
