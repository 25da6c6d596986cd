package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	stdruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// errNoPip says that Python cannot help.
var errNoPip = errors.New("no Python 3 with pip was found: install it (`apt install python3-pip`, `dnf install python3-pip`)")

// download has pip fetch a part's wheels into a folder and returns their paths.
// pip compares each wheel's SHA-256 with the pinned one. The tags name the
// wheels and not this machine's Python, so any Python 3 will do; manylinux2014
// stands for all older ones.
func download(ctx context.Context, c component, work string) ([]string, error) {
	pip, err := findPip(ctx, work)
	if err != nil {
		return nil, fmt.Errorf("%w; or %s", err, c.without)
	}
	list, into := filepath.Join(work, "requirements.txt"), filepath.Join(work, "wheel")
	if err := os.WriteFile(list, []byte(c.list), 0o644); err != nil {
		return nil, err
	}
	args := slices.Concat(pip[1:], []string{"download", "--requirement", list, "--dest", into,
		"--require-hashes", "--no-deps", "--only-binary=:all:",
		"--implementation=cp", "--python-version=3.11",
		"--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_27_x86_64", "--platform=manylinux2014_x86_64",
		"--no-input", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar=off", "--retries=2"})
	out, err := runPython(ctx, work, pip[0], args...)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("pip failed (%w). Look whether this machine reaches a Python package index, and pip's settings; or %s. pip says:%s",
			err, c.without, quote(out))
	}
	wheels, err := filepath.Glob(filepath.Join(escapeGlob(into), "*.whl"))
	if wanted := strings.Count(c.list, "\n"); err != nil || len(wheels) != wanted {
		return nil, fmt.Errorf("pip fetched %d files instead of %d", len(wheels), wanted)
	}
	return wheels, nil
}

// findPip returns the command that runs pip. Where Python has none, one is made
// in a virtual environment inside work.
func findPip(ctx context.Context, work string) ([]string, error) {
	for _, command := range [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}} {
		if _, err := runPython(ctx, work, command[0], append(command[1:], "--version")...); err == nil {
			return command, nil
		}
	}
	venv := filepath.Join(work, "venv")
	if _, err := runPython(ctx, work, "python3", "-m", "venv", venv); err == nil {
		return []string{filepath.Join(venv, "bin", "python3"), "-m", "pip"}, nil
	}
	return nil, errors.Join(ctx.Err(), errNoPip)
}

// runPython runs a command that ends with this process at the latest, and
// returns all that it said. Its temporary files go into work, where one that
// was killed is cleaned up after.
func runPython(ctx context.Context, work, name string, args ...string) (string, error) {
	stdruntime.LockOSThread() // the parent-death signal comes when the thread ends
	defer stdruntime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 2 * time.Second
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "PIP_NO_COLOR=1", "TMPDIR="+work)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Which servers pip talked to is the business of whoever set pip up, and no
// place for a person to look for help with shoebox.
var (
	anyURL  = regexp.MustCompile(`[a-z+]+://[^\s'"<>)]+`)
	anyHost = regexp.MustCompile(`(?i)\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b`)
	aFile   = regexp.MustCompile(`\.(whl|txt|so)$`)
)

// quote gives what a person can use of pip's output: its errors, without the
// names of servers.
func quote(output string) string {
	if at := strings.Index(output, "ERROR:"); at >= 0 {
		output = output[at:]
	}
	output = anyURL.ReplaceAllString(output, "…")
	output = anyHost.ReplaceAllStringFunc(output, func(s string) string {
		if aFile.MatchString(s) {
			return s
		}
		return "…"
	})
	lines := strings.Split(strings.TrimSpace(output), "\n")
	lines = lines[max(0, len(lines)-12):]
	return "\n\t" + strings.Join(lines, "\n\t")
}

// escapeGlob quotes what filepath.Glob would read as a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
