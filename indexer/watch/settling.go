package watch

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/indexer/scan"
)

// mostSettling bounds the memory of files that are being written: beyond it
// they are taken up as they are, and again when they have changed.
const mostSettling = 100_000

// settling tells files that have come to rest from those that are still
// being written.
type settling struct {
	root  string
	quiet time.Duration // at rest is what has not changed for so long
	limit time.Duration // nor is a file waited for any longer than this

	mu    sync.Mutex
	files map[string]restless
}

// restless is a file that was changing when it was looked at last.
type restless struct {
	first time.Time // when it was looked at first
	as    scan.File // what it was like then
	since time.Time // since when it has been like that, as far as was seen
}

// settled reports whether a file can be taken up: it has not changed for a
// while and opens, or it has been waited for long enough. A change is known by
// the system's own time stamp; where that lies in the future, because a file
// server's clock is wrong, by two looks that see the same.
func (s *settling) settled(file scan.File, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.files[file.Path]
	if !known {
		before = restless{first: now, as: file, since: now}
	}
	if before.as != file {
		before.as, before.since = file, now
	}
	changed := time.Unix(0, file.Changed)
	atRest := changed.Before(now) && now.Sub(changed) >= s.quiet || now.Sub(before.since) >= s.quiet
	switch {
	case atRest && s.opens(file.Path):
	case now.Sub(before.first) >= s.limit:
	case !known && len(s.files) >= mostSettling:
	default:
		if s.files == nil {
			s.files = make(map[string]restless)
		}
		s.files[file.Path] = before
		return false
	}
	delete(s.files, file.Path)
	return true
}

// opens reports whether a file can be opened: on some file servers it cannot
// while another machine is writing it.
func (s *settling) opens(path string) bool {
	fd, err := unix.Open(filepath.Join(s.root, path), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) // it is for the worker to find out
	}
	return unix.Close(fd) == nil
}

// forget drops files that nobody has asked for in a long time: they went
// before they came to rest.
func (s *settling) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, r := range s.files {
		if now.Sub(r.first) > 10*s.limit {
			delete(s.files, path)
		}
	}
}
