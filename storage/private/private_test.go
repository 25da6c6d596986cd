package private_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/cmd/shoebox/runtime"
	"shoebox/storage/private"
)

// beUser makes this test binary a process that uses the private database of the
// data folder in its value, until its standard input ends.
const beUser = "SHOEBOX_TEST_USES_DATABASE"

func TestMain(m *testing.M) {
	private.SupervisorMain()
	if dataDir := os.Getenv(beUser); dataDir != "" {
		os.Exit(use(dataDir))
	}
	os.Exit(m.Run())
}

// use starts the server, says its URL or why there is none, and waits.
func use(dataDir string) int {
	server, err := private.Start(context.Background(), private.Config{BinDir: os.Getenv("BIN"), DataDir: dataDir})
	if err != nil {
		fmt.Println("error:", strings.ReplaceAll(err.Error(), "\n", " | "))
		return 1
	}
	fmt.Println(server.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	server.Close()
	return 0
}

// folder is a data folder of a test and the user whose processes use it.
type folder struct {
	*testing.T
	path string
	bin  string
	user *syscall.Credential // nil: whoever runs the tests
}

// newFolder returns a data folder that does not exist yet. Whatever server is
// left when the test ends is stopped.
func newFolder(t *testing.T) *folder {
	t.Helper()
	found, missing := runtime.Find("")
	for _, part := range missing {
		if part == runtime.Postgres {
			t.Fatal("PostgreSQL is not below SHOEBOX_RUNTIME_DIR: `make test` fetches it and sets that")
		}
	}
	// Not t.TempDir: as root, the server's user has to reach the folder.
	dir, err := os.MkdirTemp("", "shoebox-private-")
	if err != nil {
		t.Fatal(err)
	}
	f := &folder{T: t, path: filepath.Join(dir, "data"), bin: found.PostgresBin}
	t.Cleanup(func() {
		f.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	f.must(os.Chmod(dir, 0o755))
	return f
}

func (f *folder) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *folder) data() string { return filepath.Join(f.path, "postgres", "data") }

// postmaster is the process ID of the server that runs; 0: none.
func (f *folder) postmaster() int {
	text, err := os.ReadFile(filepath.Join(f.data(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first)
	works, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil || works != f.data() {
		return 0
	}
	return pid
}

// supervisor is the process ID of the server's parent.
func (f *folder) supervisor() int {
	f.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.postmaster()))
	f.must(err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	pid, err := strconv.Atoi(strings.Fields(rest)[1])
	f.must(err)
	return pid
}

// stop ends a server that a failed test left behind.
func (f *folder) stop() {
	if pid := f.postmaster(); pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGQUIT)
	}
	f.await("the server to be gone", func() bool { return f.postmaster() == 0 })
}

// await waits for something that takes seconds at most.
func (f *folder) await(what string, happened func() bool) {
	f.Helper()
	for begun := time.Now(); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			f.Fatalf("waited 20 s for %s", what)
		}
	}
}

// process is another shoebox that uses the database.
type process struct {
	*exec.Cmd
	input  io.Closer
	output *bufio.Scanner
}

// begin starts a process and does not wait for its answer.
func (f *folder) begin() *process {
	f.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), beUser+"="+f.path, "BIN="+f.bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: f.user}
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	f.must(err)
	output, err := cmd.StdoutPipe()
	f.must(err)
	f.must(cmd.Start())
	f.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &process{cmd, input, bufio.NewScanner(output)}
}

// says is what a process answers: a URL, or a line that begins with "error:".
func (p *process) says() string {
	p.output.Scan()
	return p.output.Text()
}

// start starts a process and returns the URL it got.
func (f *folder) start() (*process, string) {
	f.Helper()
	p := f.begin()
	url := p.says()
	if !strings.HasPrefix(url, "postgres://") {
		f.Fatalf("no URL but %q", url)
	}
	return p, url
}

// refusal starts a process that must not get a server, and returns why.
func (f *folder) refusal() string {
	f.Helper()
	why := f.begin().says()
	if !strings.HasPrefix(why, "error:") {
		f.Fatalf("not refused: %q", why)
	}
	return why
}

// leave ends a process in good order.
func (f *folder) leave(p *process) {
	f.Helper()
	f.must(p.input.Close())
	f.must(p.Wait())
}

// kill ends a process by force, if it has not ended by itself.
func (f *folder) kill(pid int) {
	f.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		f.must(err)
	}
}

// query asks for one text.
func (f *folder) query(url, sql string) string {
	f.Helper()
	conn, err := pgx.Connect(f.Context(), url)
	f.must(err)
	defer conn.Close(f.Context())
	var text string
	f.must(conn.QueryRow(f.Context(), sql).Scan(&text))
	return text
}

// remember writes something that must survive.
func (f *folder) remember(url string) {
	f.Helper()
	conn, err := pgx.Connect(f.Context(), url)
	f.must(err)
	defer conn.Close(f.Context())
	_, err = conn.Exec(f.Context(), "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('kept')")
	f.must(err)
}

func (f *folder) remembered(url string) {
	f.Helper()
	if got := f.query(url, "SELECT string_agg(word, ',') FROM kept"); got != "kept" {
		f.Fatalf("the database holds %q", got)
	}
}

// log is what the server wrote.
func (f *folder) log() string {
	f.Helper()
	text, err := os.ReadFile(filepath.Join(f.path, "postgres", "postgres.log"))
	f.must(err)
	return string(text)
}
