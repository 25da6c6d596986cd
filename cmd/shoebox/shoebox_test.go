package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"shoebox/storage/storagetest"
)

// beShoebox makes this test binary behave as the shoebox command, so that
// the tests run the program that users run, as processes that can be killed.
const beShoebox = "SHOEBOX_TEST_BE_SHOEBOX"

func TestMain(m *testing.M) {
	if os.Getenv(beShoebox) != "" {
		main()
	}
	os.Exit(storagetest.Main(m))
}

// testLibrary is a data folder of a test and what is typed into its terminal.
type testLibrary struct {
	t       *testing.T
	data    string
	program string
	user    *syscall.Credential // nil: whoever runs the tests
	// database is a DATABASE_URL; empty: the private server.
	database string
}

func newTestLibrary(t *testing.T) *testLibrary {
	t.Helper()
	if os.Getenv("SHOEBOX_RUNTIME_DIR") == "" {
		t.Fatal("SHOEBOX_RUNTIME_DIR is not set: `make test` fetches the runtime and sets it")
	}
	// Not t.TempDir: the private database's user has to reach the folder.
	dir, err := os.MkdirTemp("", "shoebox-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &testLibrary{t: t, data: filepath.Join(dir, "data"), program: program}
}

// command prepares a shoebox process.
func (l *testLibrary) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.program, args...)
	cmd.Env = append(os.Environ(), beShoebox+"=1", "SHOEBOX_DATA="+l.data, "DATABASE_URL="+l.database, "XDG_CONFIG_HOME="+l.data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: l.user}
	return cmd
}

// output is what a finished command left behind.
type output struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func (l *testLibrary) run(args ...string) output {
	l.t.Helper()
	return l.finish(l.command(l.t.Context(), args...))
}

func (l *testLibrary) finish(cmd *exec.Cmd) output {
	l.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return output{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command that has to end with a given exit code.
func (l *testLibrary) must(code int, args ...string) output {
	l.t.Helper()
	out := l.run(args...)
	if out.code != code {
		l.t.Fatalf("shoebox %q: exit code %d, want %d\n%s%s", args, out.code, code, out.stdout, out.stderr)
	}
	return out
}

// lines reads the JSON lines that a command prints.
func lines[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	decoder := json.NewDecoder(strings.NewReader(text))
	for {
		var one T
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		all = append(all, one)
	}
}

// status reads `status --json`.
func (l *testLibrary) status() statusReport {
	l.t.Helper()
	return lines[statusReport](l.t, l.must(exitDone, "status", "--json").stdout)[0]
}

// failures reads `failures --json` as code by path below root.
func (l *testLibrary) failures(root string) map[string]string {
	l.t.Helper()
	codes := make(map[string]string)
	for _, f := range lines[failureLine](l.t, l.must(exitDone, "failures", "--json").stdout) {
		path := f.Path
		if f.PathB64 != nil {
			path = string(f.PathB64)
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			l.t.Fatal(err)
		}
		codes[rel] = f.Code
	}
	return codes
}

// writeFile makes a file and the folders above it.
func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// readSample reads a sample photo.
func readSample(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "photos", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// withCRC mends the checksum of a PNG's header (PNG, section 5.3).
func withCRC(data []byte) []byte {
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}
