package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"shoebox/captioner"
	"shoebox/captioner/model"
	"shoebox/cmd/shoebox/runtime"
)

func TestTheLibraryIsThatOfTheDevice(t *testing.T) {
	both := runtime.Runtime{ONNXRuntime: "/cpu.so", CUDA: "/cuda.so"}
	alone := runtime.Runtime{ONNXRuntime: "/cpu.so"}
	for _, tc := range []struct {
		device    string
		installed runtime.Runtime
		want      string
	}{
		{"auto", both, "/cuda.so"}, {"cuda", both, "/cuda.so"}, {"cpu", both, "/cpu.so"},
		{"auto", alone, "/cpu.so"}, {"cuda", alone, "/cpu.so"}, {"cpu", alone, "/cpu.so"},
	} {
		m := modelFlags{device: newDevice(), precision: choice{value: "int8"}}
		if err := m.device.Set(tc.device); err != nil {
			t.Fatal(err)
		}
		got := m.config(tc.installed)
		if got.Library != tc.want || got.Device != captioner.Device(tc.device) || got.Precision != model.INT8 {
			t.Errorf("%s with %+v runs %+v", tc.device, tc.installed, got)
		}
	}
	m := modelFlags{device: newDevice(), precision: choice{value: auto}}
	if got := m.config(both); got.Precision != "" {
		t.Errorf("auto is the precision %q", got.Precision)
	}
}

func TestCommandsSayInOneLineWhatTheModelRunsOn(t *testing.T) {
	l := newTestLibrary(t)
	photo := filepath.Join("..", "..", "testdata", "photos", "coffee.png")
	t.Setenv("SHOEBOX_ONNXRUNTIME", withoutCUDA(t))
	for _, tc := range []struct{ name, setting, want string }{
		{"auto", "", `level=INFO msg="model loaded" name=lite device=cpu precision=fp32 no_gpu=".+"\n$`},
		{"the processor, by a variable", "cpu", `level=INFO msg="model loaded" name=lite device=cpu precision=fp32\n$`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("SHOEBOX_DEVICE", tc.setting)
			out := l.must(exitDone, "caption", "--precision=fp32", photo)
			if strings.Count(out.stderr, "\n") != 1 || !regexp.MustCompile(tc.want).MatchString(out.stderr) {
				t.Errorf("it says %q", out.stderr)
			}
		})
	}
	out := l.must(exitFailed, "caption", "--device=cuda", photo)
	for _, want := range []string{"CUDA build of ONNX Runtime is not installed", "shoebox setup --device cuda", "leave out --device cuda"} {
		if !strings.Contains(out.stderr, want) {
			t.Errorf("%q does not say %q", out.stderr, want)
		}
	}
	l.must(exitUsage, "caption", "--device=gpu", photo)
	l.must(exitUsage, "caption", "--precision=fp64", photo)
}

func TestDoctorSaysWhatTheModelRunsOn(t *testing.T) {
	l := newTestLibrary(t)
	library := withoutCUDA(t)
	t.Setenv("SHOEBOX_ONNXRUNTIME", library)
	if out := l.run("doctor", "--precision=fp32"); !strings.Contains(out.stdout, "runs in fp32 on cpu with "+library+"; no GPU: ") {
		t.Errorf("doctor says\n%s", out.stdout)
	}
	out := l.must(exitFailed, "doctor", "--device=cuda")
	if !strings.Contains(out.stdout, "WRONG  model: the GPU cannot be used") || !strings.Contains(out.stdout, "setup --device cuda") {
		t.Errorf("doctor says\n%s", out.stdout)
	}
}

// withoutCUDA is an ONNX Runtime for the processor alone, whatever is installed.
func withoutCUDA(t *testing.T) (library string) {
	t.Helper()
	found, _ := runtime.Find("")
	if _, err := os.Stat(found.ONNXRuntime); err != nil {
		t.Fatal(err)
	}
	return found.ONNXRuntime
}
