package runtime

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// installed is the folder with the real runtime.
func installed(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(dirVariable)
	if dir == "" {
		t.Fatal("SHOEBOX_RUNTIME_DIR is not set: `make test` fetches the runtime and sets it")
	}
	return dir
}

func TestSetupWithEverythingThereNeedsNoPython(t *testing.T) {
	installed(t)
	t.Setenv(libraryVariable, "")
	t.Setenv("PATH", "")
	var progress strings.Builder
	found, err := Setup(t.Context(), filepath.Join(t.TempDir(), "data"), &progress)
	if err != nil || progress.Len() > 0 {
		t.Fatalf("%q, %v", progress.String(), err)
	}
	if again, missing := Find(""); again != found || missing != nil {
		t.Errorf("Setup found %+v, Find %+v without %v", found, again, missing)
	}
}

func TestInstalledRuntimeIsWhatWasPinned(t *testing.T) {
	dir := installed(t)
	t.Setenv(libraryVariable, "")
	for _, check := range []Check{CheckONNXRuntime(""), CheckPostgres(t.Context(), ""), CheckPip(t.Context(), "")} {
		if !check.OK {
			t.Errorf("%+v", check)
		}
	}
	saysAll(t, CheckONNXRuntime("").Detail, "1.24.4 (")
	saysAll(t, CheckPostgres(t.Context(), "").Detail, "postgres (PostgreSQL) 18.6 (")
	found, _ := Find("")
	for _, program := range []string{"initdb", "pg_dump", "psql"} {
		said, err := exec.Command(filepath.Join(found.PostgresBin, program), "--version").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", program, err, said)
		}
	}
	for _, licence := range []string{"onnxruntime-1.24.4/LICENSE", "postgres-18.6.3/licenses/LICENSE", "postgres-18.6.3/licenses/THIRD_PARTY_NOTICES.md"} {
		if _, err := os.Stat(filepath.Join(dir, licence)); err != nil {
			t.Error(err)
		}
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if slices.Contains([]string{".py", ".h", ".a", ".whl"}, filepath.Ext(path)) {
			t.Errorf("%s is of no use", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryPartIsPinnedByHash(t *testing.T) {
	for _, c := range components {
		for i, line := range strings.SplitAfter(strings.TrimSuffix(c.list, "\n"), "\n") {
			pinned := regexp.MustCompile(`^[a-z0-9-]+==([0-9.]+) --hash=sha256:[0-9a-f]{64}\n?$`).FindStringSubmatch(line)
			if pinned == nil {
				t.Errorf("%s: %q is not one pinned wheel", c.part, line)
				continue
			}
			if i == 0 && (!strings.HasSuffix(c.folder, "-"+pinned[1]) || !strings.HasPrefix(pinned[1], c.version)) {
				t.Errorf("%s %s in %s is pinned to %s", c.part, c.version, c.folder, pinned[1])
			}
		}
		if !strings.HasSuffix(c.list, "\n") {
			t.Errorf("%s: the last wheel of the list would not be counted", c.part)
		}
	}
}

func TestTheCUDABuildIsNeverMissingAndOnlyFoundWithoutAnotherLibrary(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(dirVariable, "")
	t.Setenv(libraryVariable, "")
	if found, missing := Find(dir); found.CUDA != "" || slices.Contains(missing, CUDA) {
		t.Errorf("before it is there: %+v without %v", found, missing)
	}
	library := filepath.Join(dir, "runtime", "onnxruntime-gpu-1.24.4", "libonnxruntime.so.1.24.4")
	if err := os.MkdirAll(filepath.Dir(library), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if found, _ := Find(dir); found.CUDA != library || found.ONNXRuntime != "" {
		t.Errorf("once it is there: %+v", found)
	}
	t.Setenv(libraryVariable, filepath.Join(dir, "another.so"))
	if found, _ := Find(dir); found.CUDA != "" {
		t.Errorf("with another library: %+v", found)
	}
	if err := os.Remove(library); err != nil {
		t.Fatal(err)
	}
	_, err := Setup(t.Context(), dir, io.Discard, CUDA)
	if err == nil || !strings.Contains(err.Error(), libraryVariable) {
		t.Errorf("fetched beside another library: %v", err)
	}
}

func TestLibrariesForCUDALieInOneFolder(t *testing.T) {
	for name, want := range map[string]string{
		"onnxruntime/capi/libonnxruntime.so.1.24.4":                               "libonnxruntime.so.1.24.4",
		"onnxruntime/capi/libonnxruntime_providers_cuda.so":                       "libonnxruntime_providers_cuda.so",
		"onnxruntime/capi/libonnxruntime_providers_shared.so":                     "libonnxruntime_providers_shared.so",
		"onnxruntime/LICENSE":                                                     "LICENSE",
		"nvidia/cublas/lib/libcublasLt.so.12":                                     "libcublasLt.so.12",
		"nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.8":                         "libnvrtc-builtins.so.12.8",
		"nvidia_cublas_cu12-12.8.4.1.dist-info/License.txt":                       "licenses/nvidia_cublas_cu12-12.8.4.1.txt",
		"nvidia_cudnn_cu12-9.10.2.21.dist-info/licenses/License.txt":              "licenses/nvidia_cudnn_cu12-9.10.2.21.txt",
		"onnxruntime/capi/libonnxruntime_providers_tensorrt.so":                   "",
		"onnxruntime/capi/onnxruntime_pybind11_state.cpython-311-x86_64-linux.so": "",
		"onnxruntime/__init__.py":                                                 "",
		"nvidia/cublas/lib/libnvblas.so.12":                                       "",
		"nvidia/cuda_nvrtc/lib/libnvrtc.alt.so.12":                                "",
		"nvidia/cudnn/include/cudnn.h":                                            "",
	} {
		if got, kept := keepCUDA(name); kept != (want != "") || kept && got != want {
			t.Errorf("%s becomes %q, %v; want %q", name, got, kept, want)
		}
	}
}

func TestFindHonoursASettingForTheLibrary(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(dirVariable, "")
	library := filepath.Join(dir, "libonnxruntime.so")
	t.Setenv(libraryVariable, library)
	if found, missing := Find(dir); found.ONNXRuntime != "" || !slices.Equal(missing, []Part{ONNXRuntime, Postgres}) {
		t.Errorf("before it is there: %+v, %v", found, missing)
	}
	_, err := Setup(t.Context(), dir, io.Discard, ONNXRuntime)
	if err == nil {
		t.Fatal("a library was fetched although one is set")
	}
	saysAll(t, err.Error(), libraryVariable, library)
	if err := os.WriteFile(library, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if found, missing := Find(dir); found.ONNXRuntime != library || !slices.Equal(missing, []Part{Postgres}) {
		t.Errorf("once it is there: %+v, %v", found, missing)
	}
	if found, err := Setup(t.Context(), dir, io.Discard, ONNXRuntime); err != nil || found.ONNXRuntime != library {
		t.Errorf("Setup: %+v, %v", found, err)
	}
}

func TestChecksSayWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Setenv(dirVariable, "")
	t.Setenv(libraryVariable, "")
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		check          func(t *testing.T) Check
		detail, advice string
	}{
		"a data folder below a file": {func(*testing.T) Check { return CheckData(filepath.Join(file, "data")) }, "file", "--data"},
		"no disk there":              {func(*testing.T) Check { return CheckDisk(filepath.Join(file, "data")) }, "file", "--data"},
		"no library yet":             {func(*testing.T) Check { return CheckONNXRuntime(dir) }, "not fetched yet", "shoebox setup"},
		"a library that is none": {func(t *testing.T) Check {
			t.Setenv(libraryVariable, file)
			return CheckONNXRuntime(dir)
		}, file, libraryVariable},
		"a library of another program": {func(t *testing.T) Check {
			t.Setenv(libraryVariable, "/lib64/ld-linux-x86-64.so.2")
			return CheckONNXRuntime(dir)
		}, "not ONNX Runtime", libraryVariable},
		"no PostgreSQL yet": {func(t *testing.T) Check { return CheckPostgres(t.Context(), dir) }, "not fetched yet", "DATABASE_URL"},
		"no Python": {func(t *testing.T) Check {
			t.Setenv("PATH", "")
			return CheckPip(t.Context(), dir)
		}, "no Python 3", "apt install python3-pip"},
	} {
		t.Run(name, func(t *testing.T) {
			check := test.check(t)
			if check.OK {
				t.Fatalf("nothing is wrong: %+v", check)
			}
			saysAll(t, check.Detail, test.detail)
			saysAll(t, check.Advice, test.advice)
		})
	}
}

func TestChecksPassOnAGoodFolder(t *testing.T) {
	// Not t.TempDir: the user of root's database has to reach the folder.
	dir, err := os.MkdirTemp("", "shoebox-runtime-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(dirVariable, "")
	data := filepath.Join(dir, "data")
	for _, check := range []Check{CheckPlatform(), CheckDisk(data), CheckServerUser(data), CheckData(data), CheckPip(t.Context(), data)} {
		if !check.OK || check.Detail == "" || check.Advice != "" {
			t.Errorf("%+v", check)
		}
	}
	entries, err := os.ReadDir(data)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestVersionsAreComparedAsNumbers(t *testing.T) {
	for _, test := range []struct {
		version string
		ok      bool
	}{{"1.24.4", true}, {"1.24.0", true}, {"1.100.0", true}, {"2.0.0", true}, {"1.9.0", false}, {"0.99", false}, {"none", false}} {
		if atLeast(test.version, "1.24.4") != test.ok {
			t.Errorf("%s: want %v", test.version, test.ok)
		}
	}
}
