package crashtest

import (
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"shoebox/captioner/model"
	"shoebox/captioner/picture"
	"shoebox/cmd/shoebox/runtime"
)

// counter is the library that notes what the model is asked.
type counter struct {
	library string // of ours
	runtime string // the real one
	file    string // where the calls are noted
}

// countCalls builds the library.
func countCalls(t *testing.T) counter {
	t.Helper()
	found, _ := runtime.Find("")
	if found.ONNXRuntime == "" {
		t.Fatal("SHOEBOX_RUNTIME_DIR does not hold ONNX Runtime: `make test` fetches it and sets it")
	}
	dir := t.TempDir()
	c := counter{library: filepath.Join(dir, "libcounter.so"), runtime: found.ONNXRuntime, file: filepath.Join(dir, "calls")}
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Fatal(err)
	}
	headers := strings.TrimSpace(string(module))
	build := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-I", headers,
		"-o", c.library, filepath.Join("counter", "counter.c"), "-ldl", "-lpthread")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return c
}

func (c counter) env() []string {
	return []string{"SHOEBOX_ONNXRUNTIME=" + c.library, "CRASHTEST_ONNXRUNTIME=" + c.runtime, "CRASHTEST_CALLS=" + c.file}
}

// calls is what the model was asked so far.
type calls struct {
	pictures map[uint64]int // how often, by hash of the pixels
	loads    int            // a worker tries its model with a grey picture
}

func (c counter) calls(t *testing.T) calls {
	t.Helper()
	text, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	asked := calls{pictures: make(map[uint64]int)}
	grey := make([]byte, pixelBytes(t))
	for i := range grey {
		grey[i] = 128
	}
	for line := range strings.Lines(string(text)) {
		_, hex, _ := strings.Cut(strings.TrimSpace(line), " ")
		hash, err := strconv.ParseUint(hex, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if hash == hashPixels(grey) {
			asked.loads++
			continue
		}
		asked.pictures[hash]++
	}
	return asked
}

func hashPixels(pixels []byte) uint64 {
	h := fnv.New64a()
	h.Write(pixels)
	return h.Sum64()
}

// modelSize is the size of the pictures that the model sees.
func modelSize(t *testing.T) picture.Size {
	t.Helper()
	shipped, err := model.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return picture.Size{Width: shipped.Input.Width, Height: shipped.Input.Height}
}

func pixelBytes(t *testing.T) int {
	size := modelSize(t)
	return size.Width * size.Height * 3
}
