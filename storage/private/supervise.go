package private

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// grace is how long the server stays without users, so that commands typed
	// one after another share one.
	grace = 3 * time.Second

	// stopLimit is how long a shutdown may take before the server is told to
	// drop everything, which costs the next start a recovery.
	stopLimit = 25 * time.Second
)

// serverSettings are given on the command line and not in a file, so that a
// newer shoebox can change them. Everything that makes a commit durable is as
// PostgreSQL has it.
var serverSettings = []string{
	"listen_addresses=",
	"unix_socket_directories=.", // the cluster's folder, however long its name
	"unix_socket_permissions=0700",
	"max_connections=100",
	"shared_buffers=96MB",
	"max_wal_size=512MB",
	"recovery_init_sync_method=syncfs", // one call instead of a thousand: 0.1 s instead of 2 to 4
	"wal_level=minimal",                // nobody replicates from this server
	"max_wal_senders=0",
	"max_logical_replication_workers=0",
	"max_parallel_workers_per_gather=0", // the cores are for the model
	"timezone=UTC",
	"log_timezone=UTC",
	"log_checkpoints=off",
	"cluster_name=shoebox",
}

// SupervisorMain makes this process a supervisor if it was started as one, and
// never returns then; otherwise it does nothing. A test binary whose tests call
// Start must call it first in its TestMain.
func SupervisorMain() {
	if len(os.Args) < 2 || os.Args[1] != SupervisorCommand {
		return
	}
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if err := Supervise(ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Supervise starts the server, reports that on standard output to the Start that
// began this process with args, and is the server's parent until nobody uses it,
// ctx ends or the server does. Killed with no chance to do anything, it takes
// the server along in good order.
func Supervise(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("the supervisor is started by shoebox itself")
	}
	// The kernel sends the parent-death signal when the thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := openCluster(Config{BinDir: args[0], DataDir: args[1]})
	if err != nil {
		return tell(report{State: stateFailed, Error: err.Error()})
	}
	held, err := tryLock(c.supervisorLock(), unix.LOCK_EX)
	if errors.Is(err, errLocked) {
		return tell(report{State: stateBusy})
	}
	if err != nil {
		return tell(report{State: stateFailed, Error: err.Error()})
	}
	defer held.Close()
	p, err := c.start(ctx)
	if err != nil {
		return tell(report{State: stateFailed, Error: err.Error()})
	}
	// Whoever waited for this may be gone. That the server then has no user is
	// noticed in any case.
	_ = tell(report{State: stateReady})
	return c.watch(ctx, p)
}

// tell reports to the process that started this one.
func tell(r report) error { return json.NewEncoder(os.Stdout).Encode(r) }

// watch stops the server when it is time.
func (c *cluster) watch(ctx context.Context, p *process) error {
	users, err := os.OpenFile(c.usersLock(), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return errors.Join(err, p.stop())
	}
	defer users.Close()
	unused := awaitUnused(users)
	tidy := time.NewTicker(time.Minute)
	defer tidy.Stop()
	for {
		select {
		case <-tidy.C:
			if err := boundLog(c.logPath()); err != nil {
				fmt.Fprintln(os.Stderr, "shortening the log:", err)
			}
		case <-p.ended:
			return fmt.Errorf("the private database ended by itself: %w", p.err)
		case err := <-unused:
			return errors.Join(err, p.stop())
		case <-ctx.Done():
			return p.stop()
		}
	}
}

// awaitUnused sends once, when nobody has held the lock for a while; it is then
// held exclusively, so that nobody comes to a server that is stopping.
func awaitUnused(users *os.File) <-chan error {
	unused := make(chan error, 1)
	go func() {
		for {
			if err := flock(users, unix.LOCK_EX); err != nil {
				unused <- err
				return
			}
			if err := flock(users, unix.LOCK_UN); err != nil {
				unused <- err
				return
			}
			time.Sleep(grace)
			if err := flock(users, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
				unused <- err
				return
			}
		}
	}()
	return unused
}

// start runs the server and returns when it answers.
func (c *cluster) start(ctx context.Context) (*process, error) {
	major, err := c.version(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.initialise(ctx); err != nil {
		return nil, fmt.Errorf("making the private database in %s: %w", c.root, err)
	}
	if err := c.checkVersion(major); err != nil {
		return nil, err
	}
	if err := c.endLeftover(ctx); err != nil {
		return nil, err
	}
	return c.launch(ctx)
}

// process is a running server.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	err   error         // why; set before ended is closed
}

// launch runs the server.
func (c *cluster) launch(ctx context.Context) (*process, error) {
	log, err := openLog(c.logPath())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := boundLog(c.logPath()); err != nil {
		return nil, err
	}
	info, err := log.Stat()
	if err != nil {
		return nil, err
	}
	args := []string{"-D", c.data()}
	for _, setting := range serverSettings {
		args = append(args, "-c", setting)
	}
	// Not ctx: it would kill the server instead of stopping it.
	cmd, err := c.command(context.WithoutCancel(ctx), syscall.SIGINT, "postgres", args...)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, c.explain(cmd.Path, err, "")
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		if p.err = cmd.Wait(); p.err == nil {
			p.err = errors.New("it was told to stop")
		}
		close(p.ended)
	}()
	if err := c.awaitReady(ctx, p); err != nil {
		err = errors.Join(err, p.stop())
		return nil, fmt.Errorf("the private database in %s does not start: %w; the end of %s:%s",
			c.data(), err, c.logPath(), indent(lastLines(readFrom(c.logPath(), info.Size()), 12)))
	}
	return p, nil
}

// awaitReady returns when the server answers.
func (c *cluster) awaitReady(ctx context.Context, p *process) error {
	begun, answered := time.Now(), time.Now()
	for {
		switch c.ping(ctx) {
		case answersReady:
			return nil
		case answersStarting:
			answered = time.Now()
		}
		if time.Since(answered) > startLimit || time.Since(begun) > recoveryLimit {
			return fmt.Errorf("no connection after %v", time.Since(begun).Round(time.Second))
		}
		select {
		case <-p.ended:
			return p.err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the server: clients are cut off, everything committed is on disk.
func (p *process) stop() error {
	for _, step := range []struct {
		signal  syscall.Signal
		patient time.Duration
	}{
		{syscall.SIGINT, stopLimit},
		{syscall.SIGQUIT, stopLimit / 5},
		{syscall.SIGKILL, stopLimit / 5},
	} {
		if err := p.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case <-p.ended:
			return nil
		case <-time.After(step.patient):
		}
	}
	return errors.New("the private database does not stop")
}
