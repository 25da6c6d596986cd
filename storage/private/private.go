// Package private runs the PostgreSQL server that shoebox keeps for itself when
// no DATABASE_URL is set. The first shoebox that needs it starts it, every later
// one joins in, and it stops seconds after the last one has gone, however that
// one ended.
//
// It never listens on a network, never migrates or reads a table, and never
// deletes a cluster: one that it cannot use is refused with what to do.
//
// In the data folder it keeps
//
//	postgres/data             the cluster, with the server's socket inside
//	postgres/users.lock       every user of the server holds a shared lock on it
//	postgres/supervisor.lock  held by the supervisor, the server's parent
//	postgres/postgres.log     what the server says, about a megabyte of it
//
// Whoever can enter postgres/data may connect without a password: the user that
// owns the files, and root. The socket lies in there, and not in a folder for
// temporary files, because that is the one place that every user of the data
// folder sees under the same name and that no stranger can take first.
package private

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SupervisorCommand is the subcommand under which the running program must call
// Supervise with the arguments that follow: Start runs it in the background.
const SupervisorCommand = "postgres-supervisor"

// supervisorMark in the environment says that a process was started to be a
// supervisor.
const supervisorMark = "SHOEBOX_POSTGRES_SUPERVISOR"

// Limits on waiting. A server that says it is recovering after a crash is given
// recoveryLimit instead of startLimit.
const (
	initLimit     = time.Minute
	startLimit    = 30 * time.Second
	recoveryLimit = 10 * time.Minute
)

// Config says what to run.
type Config struct {
	// BinDir holds the programs initdb and postgres.
	BinDir string
	// DataDir is shoebox's data folder; it is made when missing. For root,
	// every folder above it must let the server's user pass (ServerUser).
	DataDir string
}

// Server is a running server that this process uses.
type Server struct {
	cluster *cluster
	url     string
	users   *os.File // the shared lock
	socket  *os.File // nil unless the URL needs it
}

// Start makes sure that the private server runs, making its cluster the first
// time, and returns when it answers. It waits for crash recovery if need be; in
// every other case it gives up after a minute or so with the last lines of the
// server's log in the error.
func Start(ctx context.Context, config Config) (*Server, error) {
	if os.Getenv(supervisorMark) != "" {
		// Without this a program that forgot would start itself forever.
		return nil, fmt.Errorf("%s does not handle %s: call private.SupervisorMain first in main or TestMain",
			os.Args[0], SupervisorCommand)
	}
	c, err := openCluster(config)
	if err != nil {
		return nil, err
	}
	s := &Server{cluster: c}
	// A server that is stopping keeps the lock until it has stopped.
	waiting, cancel := context.WithTimeout(ctx, initLimit+startLimit)
	defer cancel()
	if s.users, err = lock(waiting, c.usersLock(), unix.LOCK_SH); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w: %s belongs to another user; run shoebox as that user, or choose another folder with --data", err, c.root)
		}
		return nil, fmt.Errorf("waiting for the private database to stop: %w", err)
	}
	if err := c.ensureRunning(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	host, socket, err := c.socketHost()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.url, s.socket = connectionURL(host), socket
	return s, nil
}

// Revive starts the server again if it, or its supervisor, has ended since
// Start, and returns when it answers. The URL stays the same. It may be called
// by many goroutines and processes.
func (s *Server) Revive(ctx context.Context) error { return s.cluster.ensureRunning(ctx) }

// URL is a postgres:// URL of a superuser in the database "shoebox". It holds
// until Close, for child processes too.
func (s *Server) URL() string { return s.url }

// Close says that this process no longer uses the server. Calling it again does
// nothing.
func (s *Server) Close() error {
	var errs []error
	for _, file := range []*os.File{s.users, s.socket} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	s.users, s.socket = nil, nil
	return errors.Join(errs...)
}

// ensureRunning returns when the server answers, starting a supervisor for it as
// often as it takes: another one may be starting it or on its way out.
func (c *cluster) ensureRunning(ctx context.Context) error {
	for begun := time.Now(); ; {
		answered := c.ping(ctx)
		// A server that has no supervisor by now is about to stop.
		if c.supervised() {
			switch answered {
			case answersReady:
				return nil
			case answersStarting:
				begun = time.Now()
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(begun) > initLimit+startLimit {
			return fmt.Errorf("another shoebox has been starting the private database for %v; see %s",
				initLimit+startLimit, c.logPath())
		}
		said, err := c.startSupervisor(ctx)
		switch {
		case err != nil:
			return err
		case said.State == stateReady:
			return nil
		case said.State == stateFailed:
			return errors.New(said.Error)
		}
		sleep(ctx, 200*time.Millisecond)
	}
}

// supervised reports whether a supervisor is there.
func (c *cluster) supervised() bool {
	held, err := tryLock(c.supervisorLock(), unix.LOCK_SH)
	if err == nil {
		held.Close()
	}
	return errors.Is(err, errLocked)
}

// report is what a supervisor writes on its standard output, once.
type report struct {
	State string `json:"state"`
	Error string `json:"error,omitempty"` // with stateFailed
}

const (
	stateReady  = "ready"
	stateBusy   = "busy" // another supervisor is there
	stateFailed = "failed"
)

// startSupervisor starts this program as a supervisor that outlives it, and
// returns what that has to say about the server.
func (c *cluster) startSupervisor(ctx context.Context) (report, error) {
	var said report
	read, write, err := os.Pipe()
	if err != nil {
		return said, err
	}
	defer read.Close()
	log, err := openLog(c.logPath())
	if err != nil {
		return said, errors.Join(err, write.Close())
	}
	// Files that this process was given by its own parent, such as a script's
	// lock, must not live on in the supervisor. Linux before 5.11 cannot.
	_ = unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC)
	cmd := exec.Command("/proc/self/exe", SupervisorCommand, c.bin, filepath.Dir(c.root))
	cmd.Args[0] = os.Args[0]
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), supervisorMark+"=1")
	cmd.Stdout, cmd.Stderr = write, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err = errors.Join(err, write.Close(), log.Close()); err != nil {
		return said, fmt.Errorf("starting the supervisor of the private database: %w", err)
	}
	go func() { _ = cmd.Wait() }() // no zombie, if it ends before this process
	defer context.AfterFunc(ctx, func() { read.Close() })()
	if err := json.NewDecoder(read).Decode(&said); err != nil {
		if ctx.Err() != nil {
			return said, ctx.Err()
		}
		return said, fmt.Errorf("the supervisor of the private database ended without a word; see %s (does %s call private.SupervisorMain first?)",
			c.logPath(), os.Args[0])
	}
	return said, nil
}

// connectionURL is the URL of the server whose socket lies in a folder. It says
// everything, so that PG variables in the environment change nothing.
func connectionURL(host string) string {
	settings := url.Values{"host": {host}, "port": {portName}, "sslmode": {"disable"}}
	// In a connection URL, unlike on the web, a plus is a plus.
	return "postgres://" + roleName + "@/" + databaseName + "?" + strings.ReplaceAll(settings.Encode(), "+", "%20")
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
