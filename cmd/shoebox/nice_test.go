package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// watch goes on beside whatever else the machine is for, so all of its threads,
// the model's too, give way to others.
func TestWatchWorksAtALowPriority(t *testing.T) {
	l := newTestLibrary(t)
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "photo.jpg"), readSample(t, "luispedro.jpg"))
	watching := l.daemon("watch", "--quiet=10ms", root)
	l.await("the photo is captioned", func(s statusReport) bool { return s.Files.Done == 1 })
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", watching.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		// Behind the name, which may hold anything, the niceness is the 17th field.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if nice, err := strconv.Atoi(fields[16]); err != nil || nice < backgroundNice {
			t.Errorf("%s: niceness %d, want at least %d", thread, nice, backgroundNice)
		}
	}
	watching.stop()
}
