package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"shoebox/search"
	"shoebox/storage"
)

// builder is the subcommand that builds an index and nothing else, so that what
// the process takes is what building takes.
const builder = "build"

// build is what a builder has to do.
type build struct {
	Dir        string             `json:"dir"` // of the index
	Photos     int                `json:"photos"`
	Captions   string             `json:"captions"`
	WithWords  bool               `json:"with_words"`
	Vocabulary storage.Vocabulary `json:"vocabulary"`
	Profiles   string             `json:"profiles"` // folder for a processor profile; empty: none
}

// built is what a builder says.
type built struct {
	Took time.Duration `json:"took"`
	// Busy is for how long processors worked, whatever else the machine did.
	Busy time.Duration `json:"-"`
	// Making is how much of that went into making the library up.
	Making time.Duration `json:"making"`
	// Peak is the most memory that the process had resident, in bytes, Own the
	// most of it that was not pages of files, which the kernel takes back when
	// it needs them.
	Peak int64 `json:"peak"`
	Own  int64 `json:"own"`
	// Before is what of Own the library had before the index was begun.
	Before int64 `json:"before"`
}

// runBuilder is the builder: it reads a build from its standard input and
// writes what was built to its standard output.
func runBuilder() error {
	var b build
	if err := json.NewDecoder(os.Stdin).Decode(&b); err != nil {
		return err
	}
	feed, err := newLibrary(b.Photos, b.Captions, b.Vocabulary, b.WithWords)
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	var done built
	if done.Before, err = memory("RssAnon"); err != nil {
		return err
	}
	own := watchMemory()
	began := time.Now()
	err = profile(b.Profiles, "build of "+filepath.Base(filepath.Dir(b.Dir)), func() error {
		_, err := search.CatchUp(context.Background(), b.Dir, feed)
		return err
	})
	if err != nil {
		return err
	}
	done.Took, done.Making, done.Own = time.Since(began), feed.making, own()
	if done.Peak, err = memory("VmHWM"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}

// run builds an index in another process.
func (b build) run(ctx context.Context) (done built, err error) {
	input, err := json.Marshal(b)
	if err != nil {
		return done, err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", builder)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return done, fmt.Errorf("building %s: %w", b.Dir, err)
	}
	done.Busy = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return done, json.Unmarshal(output, &done)
}

// memory is a line of what the kernel says of this process, in bytes.
func memory(name string) (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kB, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kB << 10, err
		}
	}
	return 0, fmt.Errorf("the kernel does not tell %s", name)
}

// watchMemory looks every few milliseconds how much memory of its own the
// process has. most ends that and returns the most that was seen.
func watchMemory() (most func() int64) {
	var peak atomic.Int64
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if now, err := memory("RssAnon"); err == nil {
				peak.Store(max(peak.Load(), now))
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-stopped
		return peak.Load()
	}
}

// sizes are what an index takes on disk, in bytes: its texts and its columns.
func sizes(dir string) (texts, columns int64, err error) {
	generation, err := filepath.EvalSymlinks(filepath.Join(dir, "current"))
	if err != nil {
		return 0, 0, err
	}
	err = filepath.WalkDir(generation, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case filepath.Base(filepath.Dir(path)) == "columns":
			columns += allocated(info)
		default:
			texts += allocated(info)
		}
		return nil
	})
	return texts, columns, err
}

// allocated is how much of the disk a file takes: blocks of columns have holes
// where nothing was written yet.
func allocated(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}
