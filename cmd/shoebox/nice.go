package main

import (
	"log/slog"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// backgroundNice is the niceness of a process that works beside people: it gets
// what they leave, about a tenth of a core that somebody else wants.
const backgroundNice = 10

// workInBackground lowers the priority of this process, as nice(1) does, unless
// it is lower already. Linux keeps a priority for each thread, and a new one
// begins with that of the thread that made it; so do child processes.
func workInBackground() {
	if now, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || 20-now >= backgroundNice {
		return
	}
	// Twice, for threads that were made meanwhile.
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			slog.Debug("works at the usual priority", "error", err)
			return
		}
		for _, thread := range threads {
			if id, err := strconv.Atoi(thread.Name()); err == nil {
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, backgroundNice) // it may have ended
			}
		}
	}
}
