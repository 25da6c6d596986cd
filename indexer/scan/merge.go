package scan

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// tree scans everything below a folder; onDisk is false for one that is known
// to be no folder any more.
func (l *look) tree(dir string, onDisk bool) error {
	return l.merge(dir, onDisk, l.compare)
}

// merge walks a folder and what is known below it in step and calls visit
// with each path in byte order: what is on disk there, what is known of it,
// or both.
func (l *look) merge(dir string, onDisk bool, visit func(*File, *storage.KnownFile) error) error {
	known, stopKnown := ahead(l.store.KnownBelow(l.ctx, l.folder.ID, dir))
	defer stopKnown()
	disk := func() (File, error, bool) { return File{}, nil, false }
	if onDisk {
		var stopDisk func()
		disk, stopDisk = ahead(l.walk(dir))
		defer stopDisk()
	}

	file, err := l.nextOnDisk(disk)
	if err != nil {
		return err
	}
	old, err := l.nextKnown(known)
	if err != nil {
		return err
	}
	for file != nil || old != nil {
		here, there := file, old
		switch {
		case old == nil || file != nil && file.Path < old.Path:
			there = nil
		case file == nil || old.Path < file.Path:
			here = nil
		}
		if err := visit(here, there); err != nil {
			return err
		}
		if here != nil {
			if file, err = l.nextOnDisk(disk); err != nil {
				return err
			}
		}
		if there != nil {
			if old, err = l.nextKnown(known); err != nil {
				return err
			}
		}
	}
	return nil
}

// ahead runs an iterator in a goroutine of its own, a little ahead of whoever
// calls next, so that the disk and the database are waited for at once. stop
// must be called and returns when the iterator has ended.
func ahead[T any](seq iter.Seq2[T, error]) (next func() (T, error, bool), stop func()) {
	type pair struct {
		value T
		err   error
	}
	const size = 500 // a channel's hand-over costs more than an item
	parts, quit := make(chan []pair, 1), make(chan struct{})
	go func() {
		defer close(parts)
		var part []pair
		send := func() bool {
			select {
			case parts <- part:
				part = nil
				return true
			case <-quit:
				return false
			}
		}
		for value, err := range seq {
			if part = append(part, pair{value, err}); len(part) == size && !send() {
				return
			}
		}
		send()
	}()
	var part []pair
	next = func() (value T, err error, ok bool) {
		for len(part) == 0 {
			if part, ok = <-parts; !ok {
				return value, nil, false
			}
		}
		first := part[0]
		part = part[1:]
		return first.value, first.err, true
	}
	return next, func() {
		close(quit)
		for range parts { // until it has ended
		}
	}
}

// nextOnDisk returns the next picture on disk, nil behind the last, and notes
// what is unreadable. An unreadable folder is noted before any file behind it
// in path order is returned, so isUnreadable always knows.
func (l *look) nextOnDisk(disk func() (File, error, bool)) (*File, error) {
	for {
		file, err, ok := disk()
		switch {
		case !ok:
			return nil, nil
		case errors.Is(err, ErrUnreadable):
			slog.Warn("not readable, what is known below it stays", "folder", l.folder.Path, "error", err)
			l.summary.Unreadable = append(l.summary.Unreadable, err)
		case err != nil:
			return nil, err
		default:
			return &file, nil
		}
	}
}

func (l *look) nextKnown(known func() (storage.KnownFile, error, bool)) (*storage.KnownFile, error) {
	old, err, ok := known()
	if err != nil {
		return nil, fmt.Errorf("read what is known of %s: %w", l.folder.Path, err)
	}
	if !ok {
		return nil, nil
	}
	return &old, nil
}

// compare notes what has to change for a path: onDisk is nil where there is
// no picture, old where none is known.
func (l *look) compare(onDisk *File, old *storage.KnownFile) error {
	if onDisk != nil {
		l.whole = true
		l.summary.Files++
	}
	switch {
	case onDisk == nil:
		l.notOnDisk(old)
	case old == nil:
		l.takeUp(onDisk, &l.summary.New)
	case onDisk.FileStat != old.FileStat || askAgain(old):
		l.takeUp(onDisk, &l.summary.Changed)
	case old.Missing:
		l.summary.Restored++
		l.changes.Restored = append(l.changes.Restored, old.ID)
	default:
		l.summary.Unchanged++
	}
	return l.flush(batch)
}

// askAgain says that newer decoders may read what older ones could not.
func askAgain(old *storage.KnownFile) bool {
	return old.State == storage.Unsupported && old.DecoderVersion < picture.DecoderVersion
}

// takeUp makes a file pending once it has come to rest.
func (l *look) takeUp(file *File, count *int) {
	if l.options.Settled != nil && !l.options.Settled(*file) {
		l.summary.Unsettled = append(l.summary.Unsettled, file.Path)
		return
	}
	*count++
	l.changes.Upserts = append(l.changes.Upserts, file.FileStat)
}

func (l *look) notOnDisk(old *storage.KnownFile) {
	if old.Missing || l.isUnreadable(old.Path) || !l.gone(old.Path) {
		return
	}
	l.summary.Missing++
	l.changes.Missing = append(l.changes.Missing, old.ID)
}

// isUnreadable reports whether a path is, or lies below, something that
// could not be looked at.
func (l *look) isUnreadable(path string) bool {
	for _, err := range l.summary.Unreadable {
		var u *unreadable
		if !errors.As(err, &u) {
			continue
		}
		if u.path == "" || path == u.path || strings.HasPrefix(path, u.path+"/") {
			return true
		}
	}
	return false
}

// flush writes the collected changes when there are at least least of them.
func (l *look) flush(least int) error {
	if len(l.changes.Upserts)+len(l.changes.Restored)+len(l.changes.Missing) < least {
		return nil
	}
	if len(l.changes.Missing) > 0 {
		if err := l.stillHolds(); err != nil {
			return err
		}
	}
	if err := l.store.ApplyScan(l.ctx, l.folder.ID, l.changes); err != nil {
		return fmt.Errorf("record what changed in %s: %w", l.folder.Path, err)
	}
	l.changes = storage.ScanChanges{}
	return nil
}
