package watch

import (
	"strings"
	"sync"
	"time"
)

// More hints than these in one folder, or in all, are one: look at the whole
// folder, or at the whole root. They bound the memory; a look at a folder of
// so many files costs about what a look at each would.
const (
	mostInFolder = 2000
	mostInRoot   = 50_000
)

// hints are the paths of a root at which something may have changed. They
// wait a moment, so that a file that is being written is not looked at again
// and again. The zero value is empty.
type hints struct {
	wait time.Duration

	mu      sync.Mutex
	folders map[string]*folderHints
	n       int           // names in all folders
	whole   bool          // the root has to be looked at
	changed chan struct{} // closed at the next hint; nil: nobody waits
}

// folderHints are those of one folder, due together.
type folderHints struct {
	due   time.Time
	all   bool // the folder and everything below
	names map[string]struct{}
}

// add notes a path, relative to the root; "" is the root itself.
func (h *hints) add(path string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.wake()
	if path == "" {
		h.becomeWhole()
	}
	if h.whole {
		return
	}
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	f := h.folders[dir]
	if f == nil {
		if h.folders == nil {
			h.folders = make(map[string]*folderHints)
		}
		f = &folderHints{due: now.Add(h.wait), names: make(map[string]struct{})}
		h.folders[dir] = f
	}
	if _, known := f.names[name]; known || f.all {
		return
	}
	f.names[name] = struct{}{}
	h.n++
	if len(f.names) > mostInFolder {
		h.n -= len(f.names)
		f.all, f.names = true, nil
	}
	if h.n > mostInRoot || len(h.folders) > mostInRoot {
		h.becomeWhole()
	}
}

// becomeWhole makes one hint of all.
func (h *hints) becomeWhole() {
	h.whole, h.folders, h.n = true, nil, 0
}

func (h *hints) wake() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// take returns the paths that are due and forgets them; "" alone stands for
// the whole root. next is when others will be due, zero if there are none,
// and changed is closed when a hint comes.
func (h *hints) take(now time.Time) (paths []string, next time.Time, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.whole {
		h.whole = false
		return []string{""}, time.Time{}, nil
	}
	if f := h.folders[""]; f != nil && f.all && !f.due.After(now) {
		h.becomeWhole()
		h.whole = false
		return []string{""}, time.Time{}, nil
	}
	for dir, f := range h.folders {
		if f.due.After(now) {
			if next.IsZero() || f.due.Before(next) {
				next = f.due
			}
			continue
		}
		delete(h.folders, dir)
		h.n -= len(f.names)
		if f.all {
			paths = append(paths, dir)
		}
		for name := range f.names {
			paths = append(paths, join(dir, name))
		}
	}
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return paths, next, h.changed
}

// join puts a name behind a folder that is relative to the root.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
