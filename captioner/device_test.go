package captioner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shoebox/captioner/model"
	"shoebox/cmd/shoebox/runtime"
)

// beProgram makes this test binary a program that opens the model with the
// library in its value on the device in deviceVariable, says what it got and
// ends when a signal comes. The runtime can be loaded once a process only.
const (
	beProgram      = "SHOEBOX_TEST_OPEN_WITH"
	deviceVariable = "SHOEBOX_TEST_OPEN_ON"
)

func TestMain(m *testing.M) {
	if library := os.Getenv(beProgram); library != "" {
		os.Exit(program(Config{Library: library, Threads: 1, Device: Device(os.Getenv(deviceVariable))}))
	}
	os.Exit(m.Run())
}

func program(config Config) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c, err := Open(config)
	var refused *NoCUDAError
	switch {
	case errors.As(err, &refused):
		fmt.Printf("refused: %v; %s\n", refused, refused.Advice())
	case err != nil:
		fmt.Println(err)
	case c.WhyNotCUDA() != nil:
		fmt.Printf("%s: %v; %s\n", c.Device(), c.WhyNotCUDA(), c.WhyNotCUDA().Advice())
	default:
		fmt.Println(c.Device())
	}
	select {
	case <-ctx.Done():
		return 0
	case <-time.After(time.Minute):
		return 1
	}
}

// runProgram runs it until it says what it got, sends the signal, and returns
// what it said.
func runProgram(t *testing.T, library string, device Device, end syscall.Signal) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), beProgram+"="+library, deviceVariable+"="+string(device))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Errorf("it said %q: %v", said, err)
	}
	_ = cmd.Process.Signal(end) // it may have ended
	if err := cmd.Wait(); err != nil {
		t.Errorf("after %q and %v it ended with %v", said, end, err)
	}
	return strings.TrimSpace(said)
}

// thief is a library that takes signals away from Go, as those of CUDA do
// (onnxruntime_go issue 140).
const thief = `
#include <signal.h>
static void ignore(int signal) {}
__attribute__((constructor)) static void steal(void) {
	struct sigaction action = {.sa_handler = ignore};
	sigaction(SIGINT, &action, 0);
	sigaction(SIGTERM, &action, 0);
}
`

// compile makes a library of C source.
func compile(t *testing.T, path, source string, more ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "library.c")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-shared", "-fPIC", "-Wl,--no-as-needed", "-o", path, file}, more...)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v: %s", err, out)
	}
}

// thievingBuild is the folder of an ONNX Runtime beside which lie a CUDA
// provider, of which it knows nothing, and a library of NVIDIA's that steals.
func thievingBuild(t *testing.T) (library string) {
	t.Helper()
	found, _ := runtime.Find("")
	data, err := os.ReadFile(found.ONNXRuntime)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	library = filepath.Join(dir, "libonnxruntime.so")
	if err := os.WriteFile(library, data, 0o755); err != nil {
		t.Fatal(err)
	}
	compile(t, filepath.Join(dir, "libcublas.so.12"), thief, "-Wl,-soname,libcublas.so.12")
	compile(t, filepath.Join(dir, "libonnxruntime_providers_cuda.so"), "", filepath.Join(dir, "libcublas.so.12"))
	return library
}

func TestSignalsEndAProgramWhoseHandlersWereStolen(t *testing.T) {
	library := thievingBuild(t)
	for _, end := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if said := runProgram(t, library, Auto, end); !strings.HasPrefix(said, "cpu: the GPU cannot be used: CUDA execution provider is not enabled") {
			t.Errorf("it runs on %q", said)
		}
	}
}

func TestTheCUDABuildIsUsedOrSaysWhyNot(t *testing.T) {
	found, _ := runtime.Find("")
	if found.CUDA == "" {
		t.Skip("the CUDA build is not installed: `shoebox setup --device cuda`")
	}
	for _, end := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		said := runProgram(t, found.CUDA, Auto, end)
		if runtime.HasGPU() {
			if said != "cuda" {
				t.Errorf("there is a GPU, and it runs on %q", said)
			}
			continue
		}
		const why = "the GPU cannot be used: there is no NVIDIA driver, or one that is too old for CUDA 12; install version 525 or newer and see what `nvidia-smi` says"
		if said != "cpu: "+why {
			t.Errorf("it runs on %q", said)
		}
		if said := runProgram(t, found.CUDA, CUDA, end); said != "refused: "+why {
			t.Errorf("with CUDA alone it is %q", said)
		}
	}
}

func TestWithoutACUDABuildAutoTakesTheProcessorAndCUDARefuses(t *testing.T) {
	found, _ := runtime.Find("")
	open := func(device Device, precision model.Precision) (*Captioner, error) {
		c, err := Open(Config{Library: found.ONNXRuntime, Threads: 1, Device: device, Precision: precision})
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c, err
	}
	for device, want := range map[Device]error{"": ErrNoCUDABuild, Auto: ErrNoCUDABuild, CPU: nil} {
		c, err := open(device, "")
		if err != nil {
			t.Fatal(err)
		}
		if why := c.WhyNotCUDA(); c.Device() != CPU || (why == nil) != (want == nil) || why != nil && !errors.Is(why, want) {
			t.Errorf("%q runs on %s: %v", device, c.Device(), why)
		}
	}
	for precision, want := range map[model.Precision]error{"": ErrNoCUDABuild, model.INT8: ErrINT8} {
		_, err := open(CUDA, precision)
		var refused *NoCUDAError
		if !errors.As(err, &refused) || !errors.Is(err, want) || refused.Advice() == "" {
			t.Errorf("%q on CUDA: %v", precision, err)
		}
	}
}
