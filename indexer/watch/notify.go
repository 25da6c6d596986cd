package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"shoebox/captioner/picture"
	"shoebox/indexer/scan"
	"shoebox/storage"
)

// notifier is what is needed of an fsnotify.Watcher.
type notifier interface {
	Add(path string) error
	Remove(path string) error
	WatchList() []string
}

// notices turns what the kernel tells of a root's folders into hints, and
// knows which folders it tells of. A folder is watched before a scan lists
// it, so that a file is either listed or told of.
type notices struct {
	root  string
	hints *hints

	mu      sync.Mutex
	notify  notifier // nil: nothing can be watched
	reason  string   // why not
	device  uint64   // of the root
	looks   int      // full looks begun
	folders map[string]watched
	paths   map[inode]string
	refused int // folders without a watch, in this full look
	errno   error
}

// watched is a folder that the kernel tells of.
type watched struct {
	inode inode
	look  int // the full look that saw it last
}

// inode is what the kernel watches: a folder by whatever name.
type inode struct{ device, number uint64 }

// begin starts a full look.
func (n *notices) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looks++
	n.refused, n.errno = 0, nil
}

// end drops what the full look has not seen and says how much is watched.
func (n *notices) end() (mode storage.WatchMode, reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for dir, w := range n.folders {
		if w.look < n.looks {
			n.drop(dir)
		}
	}
	switch {
	case n.notify == nil:
		return storage.Polled, n.reason
	case n.refused == 0:
		return storage.Watched, ""
	case len(n.folders) == 0:
		return storage.Polled, n.refusal()
	default:
		return storage.Partly, n.refusal()
	}
}

// refusal says why folders are not watched and what to do about it.
func (n *notices) refusal() string {
	all := n.refused + len(n.folders)
	switch {
	case errors.Is(n.errno, unix.ENOSPC):
		return fmt.Sprintf("%d of %d folders have no watch, because the system's limit is reached: raise fs.inotify.max_user_watches "+
			"(`sysctl fs.inotify.max_user_watches=%d`)", n.refused, all, enough(all))
	case n.errno != nil:
		return fmt.Sprintf("%d of %d folders cannot be watched: %v", n.refused, all, n.errno)
	default:
		return fmt.Sprintf("%d of %d folders lie on other file systems or are mounted twice", n.refused, all)
	}
}

// enough is a power of two that leaves room for other programs.
func enough(folders int) int {
	limit := 1 << 19
	for limit < 2*folders {
		limit *= 2
	}
	return limit
}

// enter watches a folder that is about to be listed.
func (n *notices) enter(dir string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notify == nil {
		return
	}
	path := filepath.Join(n.root, dir)
	info, err := os.Stat(path)
	if err != nil {
		return // the walk finds out
	}
	id := inodeOf(info)
	if dir == "" {
		n.device = id.device
	}
	if id.device != n.device {
		if _, is := remote(path); is {
			n.refused++
			return
		}
	}
	// The kernel watches a folder once. One that is known by another name was
	// renamed, and its events would go on under the old name; if it is still
	// there, it is the same folder mounted in two places.
	if old, known := n.paths[id]; known && old != dir {
		if was, err := os.Stat(filepath.Join(n.root, old)); err == nil && inodeOf(was) == id {
			n.refused++
			return
		}
		n.drop(old)
	}
	if err := n.notify.Add(path); err != nil {
		n.drop(dir)
		if !errors.Is(err, unix.ENOENT) {
			n.refused, n.errno = n.refused+1, err
		}
		return
	}
	if before, known := n.folders[dir]; known && before.inode != id {
		delete(n.paths, before.inode)
	}
	n.folders[dir] = watched{inode: id, look: n.looks}
	n.paths[id] = dir
}

func inodeOf(info os.FileInfo) inode {
	stat, _ := info.Sys().(*syscall.Stat_t)
	return inode{device: stat.Dev, number: stat.Ino}
}

// drop takes the watch off a folder.
func (n *notices) drop(dir string) {
	w, known := n.folders[dir]
	if !known {
		return
	}
	// It may be gone by itself, with the folder.
	_ = n.notify.Remove(filepath.Join(n.root, dir))
	delete(n.folders, dir)
	delete(n.paths, w.inode)
}

// lost reports whether folders are no longer watched of which that was not
// said: their file system was unmounted, and may be mounted again by now.
func (n *notices) lost() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.notify != nil && len(n.notify.WatchList()) < len(n.folders)
}

// short reports whether a watch was refused since the last full look began.
func (n *notices) short() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refused > 0
}

// dropAll takes off all watches: the root is not what it was.
func (n *notices) dropAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for dir := range n.folders {
		n.drop(dir)
	}
}

// drain turns events into hints as they come, in memory only: while somebody
// waits for the disk or the database, the kernel's queue would run over.
func (n *notices) drain(ctx context.Context, events <-chan fsnotify.Event, errs <-chan error) {
	for {
		select {
		case event := <-events:
			n.note(event)
		case <-errs:
			// Events were lost, or something else that a look mends.
			n.hints.add("", time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// note makes a hint of an event.
func (n *notices) note(event fsnotify.Event) {
	rel, err := filepath.Rel(n.root, event.Name)
	if err != nil || !filepath.IsLocal(rel) {
		return
	}
	if rel == "." {
		rel = ""
	}
	if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
		n.left(rel, event.Has(fsnotify.Rename))
	} else if !event.Has(fsnotify.Create) && !n.matters(rel) {
		return
	}
	n.hints.add(rel, time.Now())
}

// left forgets a folder that was removed or renamed; what is below a renamed
// one is still there and would be told of under the old name.
func (n *notices) left(rel string, renamed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.folders[rel]; !known {
		return
	}
	n.drop(rel)
	if !renamed {
		return
	}
	for dir := range n.folders {
		if strings.HasPrefix(dir, rel+"/") || rel == "" {
			n.drop(dir)
		}
	}
}

// matters reports whether writing to a file, or a change of its times, can
// change what is known: other programs' files grow all day.
func (n *notices) matters(rel string) bool {
	name := filepath.Base(rel)
	if picture.IsPictureName(name) || picture.IsSidecarName(name) || name == scan.RulesName {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_, folder := n.folders[rel]
	return folder
}
