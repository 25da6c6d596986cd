package private

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"
)

const (
	roleName     = "shoebox"
	databaseName = "shoebox"
	portName     = "5432" // part of the socket's name, nothing else

	// maxSocketPath is what fits into a sockaddr_un beside its zero byte.
	maxSocketPath = 107
)

// cluster is a PostgreSQL cluster in a data folder and the programs for it.
type cluster struct {
	root  string // DATA/postgres
	bin   string
	owner *user.User
}

// openCluster makes the folder around the cluster.
func openCluster(config Config) (*cluster, error) {
	dir, err := filepath.Abs(config.DataDir)
	if err != nil {
		return nil, err
	}
	owner, err := ServerUser(dir)
	if err != nil {
		return nil, err
	}
	c := &cluster{root: filepath.Join(dir, "postgres"), bin: config.BinDir, owner: owner}
	if err := MakeDataDir(dir); err != nil {
		return nil, err
	}
	return c, makePassage(c.root)
}

func (c *cluster) data() string           { return filepath.Join(c.root, "data") }
func (c *cluster) usersLock() string      { return filepath.Join(c.root, "users.lock") }
func (c *cluster) supervisorLock() string { return filepath.Join(c.root, "supervisor.lock") }
func (c *cluster) logPath() string        { return filepath.Join(c.root, "postgres.log") }
func (c *cluster) pidFile() string        { return filepath.Join(c.data(), "postmaster.pid") }

// command prepares a PostgreSQL program as the cluster's owner. It gets signal
// if the thread that starts it ends.
func (c *cluster) command(ctx context.Context, signal syscall.Signal, name string, args ...string) (*exec.Cmd, error) {
	as, err := credential(c.owner)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir = c.root
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: signal}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PG") && !strings.HasPrefix(variable, "LC_") && !strings.HasPrefix(variable, "LANG") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C")
	return cmd, nil
}

// version asks the programs which major version they are. It fails where the
// cluster's owner cannot reach the programs or the cluster.
func (c *cluster) version(ctx context.Context) (string, error) {
	cmd, err := c.command(ctx, syscall.SIGKILL, "postgres", "-V")
	if err != nil {
		return "", err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", c.explain(cmd.Path, err, stderr.String())
	}
	// postgres (PostgreSQL) 18.6
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		return "", fmt.Errorf("%s -V says %q, which is no version", cmd.Path, out)
	}
	major, _, _ := strings.Cut(fields[2], ".")
	return major, nil
}

// explain says what to do about a program that did not run.
func (c *cluster) explain(program string, err error, output string) error {
	if os.Geteuid() == 0 && errors.Is(err, fs.ErrPermission) {
		for _, path := range []string{program, c.root} {
			if blocked := CheckPassage(path, c.owner); blocked != nil {
				return blocked
			}
		}
		if errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("the private database must run as user %q and this root may not change users (a container without CAP_SETUID, CAP_SETGID and CAP_CHOWN?): set DATABASE_URL, or run shoebox as another user: %w",
				c.owner.Username, err)
		}
	}
	return fmt.Errorf("running %s: %w%s", program, err, indent(lastLines(output, 10)))
}

// initialise makes the cluster where there is none. Only a complete one, safely
// on disk, ever gets its name.
func (c *cluster) initialise(ctx context.Context) error {
	if _, err := os.Stat(c.data()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, initLimit)
	defer cancel()
	if err := c.removeUnfinished(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.root, "data.init-")
	if err != nil {
		return err
	}
	if err := c.fill(ctx, dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := os.Rename(dir, c.data()); err != nil {
		return err
	}
	return syncDir(c.root)
}

// removeUnfinished removes what an initialise that was killed left behind.
func (c *cluster) removeUnfinished() error {
	left, err := filepath.Glob(filepath.Join(escapeGlob(c.root), "data.init-*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// fill makes a cluster with an empty database in dir. Nothing is synced on the
// way; the whole file system is at the end, which is much faster than a thousand
// files one by one.
func (c *cluster) fill(ctx context.Context, dir string) error {
	if as, err := credential(c.owner); err != nil {
		return err
	} else if as != nil {
		if err := os.Lchown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return err
		}
	}
	// The builtin provider sorts by code point and knows upper and lower case
	// without the system's locales, so that no system update can change the
	// order of an index.
	err := c.run(ctx, "", "initdb", "--pgdata="+dir, "--username="+roleName, "--auth=trust", "--encoding=UTF8",
		"--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions")
	if err != nil {
		return err
	}
	err = c.run(ctx, "CREATE DATABASE "+databaseName+" STRATEGY file_copy", "postgres", "--single", "-F", "-D", dir, "postgres")
	if err != nil {
		return err
	}
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Syncfs(int(file.Fd()))
}

// run runs a program to its end.
func (c *cluster) run(ctx context.Context, input, name string, args ...string) error {
	cmd, err := c.command(ctx, syscall.SIGKILL, name, args...)
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return c.explain(cmd.Path, errors.Join(err, ctx.Err()), string(out))
	}
	return nil
}

// checkVersion refuses a cluster of another major version.
func (c *cluster) checkVersion(major string) error {
	path := filepath.Join(c.data(), "PG_VERSION")
	made, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s is no PostgreSQL cluster; move it away: %w", c.data(), err)
	}
	if was := strings.TrimSpace(string(made)); was != major {
		return fmt.Errorf("%s was made by PostgreSQL %s and this shoebox runs PostgreSQL %s: write a backup with the shoebox that made it (`shoebox backup FILE`), move the folder away, and `shoebox restore FILE` with this one",
			c.data(), was, major)
	}
	return nil
}

// endLeftover deals with a server whose supervisor died. It was told to stop
// then; it is told again, and all its processes are waited for. After that the
// lock files are of no use, and go: where the process that they name is a zombie
// that nobody buries, as in many containers, or another program by now,
// PostgreSQL would take it for a server and never start.
func (c *cluster) endLeftover(ctx context.Context) error {
	locks := []string{c.pidFile(), filepath.Join(c.data(), ".s.PGSQL."+portName+".lock")}
	if !slices.ContainsFunc(locks, exists) {
		return nil
	}
	server, _ := c.readPidFile()
	for begun := time.Now(); ; sleep(ctx, 20*time.Millisecond) {
		running, err := c.serverProcesses()
		if err != nil {
			return err
		}
		if len(running) == 0 {
			break
		}
		if ctx.Err() != nil || time.Since(begun) > stopLimit {
			return fmt.Errorf("processes %d of a PostgreSQL server that lost its supervisor still run in %s; end them with `kill -QUIT`", running, c.data())
		}
		if slices.Contains(running, server) {
			if err := ignore(syscall.Kill(server, syscall.SIGINT), syscall.ESRCH); err != nil {
				return err
			}
		}
	}
	for _, path := range locks {
		if err := ignore(os.Remove(path), fs.ErrNotExist); err != nil {
			return err
		}
	}
	return nil
}

// serverProcesses lists the processes of a server on this cluster: it and all
// its children work inside the cluster's folder.
func (c *cluster) serverProcesses() ([]int, error) {
	data, err := os.Stat(c.data())
	if err != nil {
		return nil, err
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, process := range processes {
		pid, err := strconv.Atoi(process.Name())
		if err != nil {
			continue
		}
		// Not its exe: that link goes before the memory of a process that is
		// ending, which the next server would find in use.
		program, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil || !strings.HasPrefix(string(program), "postgres") {
			continue
		}
		// The processes of other users cannot be looked into, and are none of
		// ours; nor can zombies, which work nowhere.
		works, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
		if err == nil && os.SameFile(works, data) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// readPidFile returns the process ID and the state ("starting", "ready",
// "stopping") that the server last wrote down; nothing where it did not.
func (c *cluster) readPidFile() (pid int, state string) {
	text, err := os.ReadFile(c.pidFile())
	if err != nil {
		return 0, ""
	}
	lines := strings.Split(string(text), "\n")
	if pid, err = strconv.Atoi(strings.TrimSpace(lines[0])); err != nil {
		return 0, ""
	}
	if len(lines) >= 8 {
		state = strings.TrimSpace(lines[7])
	}
	return pid, state
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func ignore(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}

// answer is what the server says when asked for a connection.
type answer int

const (
	answersNothing answer = iota
	answersStarting
	answersReady
)

// ping asks the server for a connection, once it says that it is ready: before,
// it would fill its log with refusals.
func (c *cluster) ping(ctx context.Context) answer {
	switch _, state := c.readPidFile(); state {
	case "":
		return answersNothing
	case "starting", "stopping":
		return answersStarting
	}
	host, held, err := c.socketHost()
	if err != nil {
		return answersNothing
	}
	if held != nil {
		defer held.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, connectionURL(host))
	var refused *pgconn.PgError
	switch {
	case err == nil:
		_ = conn.Close(ctx)
		return answersReady
	case errors.As(err, &refused) && strings.HasPrefix(refused.Code, "57P"): // starting, recovering or stopping
		return answersStarting
	case errors.As(err, &refused): // too many connections, say: whoever connects next is told
		return answersReady
	default:
		return answersNothing
	}
}

// socketHost is the folder of the server's socket under a name that fits into a
// socket's address and that, in a URL, is one host (a comma would part it in
// two); and the file to hold as long as the name is used, nil when the name is
// the folder's own.
func (c *cluster) socketHost() (string, *os.File, error) {
	if len(filepath.Join(c.data(), ".s.PGSQL."+portName)) <= maxSocketPath && !strings.Contains(c.data(), ",") {
		return c.data(), nil, nil
	}
	held, err := os.OpenFile(c.data(), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), held.Fd()), held, nil
}

func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// escapeGlob quotes what filepath.Glob would read as a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
