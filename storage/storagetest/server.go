package storagetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage/private"
)

// Where tests find their server: one that runs, or else the programs for a
// private one.
const (
	databaseVariable = "SHOEBOX_TEST_DATABASE"
	runtimeVariable  = "SHOEBOX_RUNTIME_DIR"
)

// Main is for the TestMain of packages whose tests call Server:
//
//	func TestMain(m *testing.M) { os.Exit(storagetest.Main(m)) }
//
// It runs the tests and stops the server that they started.
func Main(m *testing.M) int {
	private.SupervisorMain()
	code := m.Run()
	if err := server.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the server for tests:", err)
		return max(code, 1)
	}
	return code
}

// Server returns the URL of a new, empty database, which is dropped when the
// test ends. It lies on the server at SHOEBOX_TEST_DATABASE, a postgres:// URL
// of a role that may create databases; without that, on a private server that
// all tests of the process share, run by the programs below
// SHOEBOX_RUNTIME_DIR, which `make test` fetches and sets.
func Server(t testing.TB) string {
	t.Helper()
	address, err := server.url()
	if err != nil {
		t.Fatal(err)
	}
	name := "shoebox_test_" + rand.Text()
	quoted := pgx.Identifier{name}.Sanitize()
	execute(t, address, `CREATE DATABASE `+quoted+` TEMPLATE template0 ENCODING 'UTF8'`)
	t.Cleanup(func() { execute(t, address, `DROP DATABASE `+quoted+` WITH (FORCE)`) })
	database := *address
	database.Path = "/" + name
	return database.String()
}

func execute(t testing.TB, address *url.URL, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, address.String())
	if err != nil {
		t.Fatalf("connecting to the server for tests: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// server is the one server of this process's tests.
var server testServer

type testServer struct {
	mu      sync.Mutex
	address *url.URL
	private *private.Server // nil: it is not ours
	dir     string          // of the private one
}

// url returns where the server is, starting it if need be.
func (s *testServer) url() (*url.URL, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address != nil {
		return s.address, nil
	}
	address := os.Getenv(databaseVariable)
	if address == "" {
		if err := s.start(); err != nil {
			return nil, fmt.Errorf("starting a server for tests: %w", err)
		}
		address = s.private.URL()
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme == "" {
		return nil, errors.New(databaseVariable + " is not a postgres:// URL")
	}
	s.address = parsed
	return parsed, nil
}

func (s *testServer) start() error {
	installed := os.Getenv(runtimeVariable)
	if installed == "" {
		return fmt.Errorf("there is no Postgres: run `make test`, which fetches one and sets %s, or set %s to the URL of a server",
			runtimeVariable, databaseVariable)
	}
	programs, err := findPrograms(installed)
	if err != nil {
		return err
	}
	// Not a test's own folder: as root, the server runs as another user, who
	// must get there.
	if s.dir, err = os.MkdirTemp("", "shoebox-test-"); err != nil {
		return err
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	s.private, err = private.Start(context.Background(), private.Config{
		BinDir:  programs,
		DataDir: filepath.Join(s.dir, "data"),
	})
	return err
}

// findPrograms finds the folder with PostgreSQL's programs below dir.
func findPrograms(dir string) (found string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "initdb" && entry.Type().IsRegular() {
			found = filepath.Dir(path)
			return filepath.SkipAll
		}
		return err
	})
	if err == nil && found == "" {
		err = fmt.Errorf("there is no initdb below %s, which %s names: `make test` fetches it", dir, runtimeVariable)
	}
	return found, err
}

// stop ends a private server and removes what it leaves.
func (s *testServer) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.private != nil {
		if err := s.private.Close(); err != nil {
			return err
		}
		// It stays a few seconds for whoever comes next.
		running := filepath.Join(s.dir, "data", "postgres", "data", "postmaster.pid")
		for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			if _, err := os.Stat(running); errors.Is(err, fs.ErrNotExist) {
				break
			}
			if time.Since(begun) > time.Minute {
				return fmt.Errorf("%s is still there", running)
			}
		}
	}
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
