// Package scan compares a folder on disk with what storage knows of it.
//
// A scan is idempotent and the only judge of what is new, changed or gone:
// events of a watcher are hints to scan. It looks at names, sizes and times
// and never opens a file. Both sides come in byte order of their paths and
// are merged, so memory grows with the largest single directory only.
package scan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"strings"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// batch is how many differences are written in one transaction.
const batch = 2000

// Store is what a scan needs of storage.Store.
type Store interface {
	KnownFiles(ctx context.Context, folderID int64) iter.Seq2[storage.KnownFile, error]
	ApplyScan(ctx context.Context, folderID int64, changes storage.ScanChanges) error
	EndScan(ctx context.Context, folderID int64, present bool) error
}

// Summary counts what a scan saw.
type Summary struct {
	Files     int // pictures on disk
	New       int
	Changed   int
	Restored  int // back after being missing
	Missing   int // newly missing
	Unchanged int
	Root      fs.FileInfo // what the root is, for Stands
	// Unreadable are folders and files that could not be looked at; what
	// is known below them stays as it is.
	Unreadable []error
}

// Problem is why a whole root was left alone: nothing was changed.
type Problem struct {
	Folder string
	Reason string
}

func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Folder, p.Reason) }

// Folder scans one root. skip names absolute paths that are not walked (the
// data folder, should it lie in a photo folder). A *Problem says that the
// root cannot be trusted now, because it is gone or empty: nothing was
// changed then.
func Folder(ctx context.Context, store Store, folder storage.Folder, skip func(path string) bool) (Summary, error) {
	root, problem := look(folder.Path)
	if problem != nil {
		return Summary{}, leave(ctx, store, folder, problem)
	}
	known, stopKnown := iter.Pull2(store.KnownFiles(ctx, folder.ID))
	defer stopKnown()
	disk, stopDisk := iter.Pull2(walk(ctx, folder.Path, skip))
	defer stopDisk()
	m := merge{ctx: ctx, store: store, folder: folder, root: root, known: known, disk: disk}
	m.summary.Root = root
	if err := m.run(); err != nil {
		return m.summary, err
	}
	return m.summary, store.EndScan(ctx, folder.ID, true)
}

// leave records that a root was left alone and returns why.
func leave(ctx context.Context, store Store, folder storage.Folder, problem *Problem) error {
	if err := store.EndScan(ctx, folder.ID, false); err != nil {
		return err
	}
	return problem
}

// look returns what a root is, or says why it cannot be scanned.
func look(root string) (fs.FileInfo, *Problem) {
	info, err := os.Stat(root)
	switch {
	case err != nil:
		return nil, &Problem{root, fmt.Sprintf("is not there (%v): an unmounted disk? Nothing was changed", errors.Unwrap(err))}
	case !info.IsDir():
		return nil, &Problem{root, "is not a folder. Nothing was changed"}
	}
	dir, err := os.Open(root)
	if err != nil {
		return nil, &Problem{root, fmt.Sprintf("cannot be listed (%v). Nothing was changed", errors.Unwrap(err))}
	}
	dir.Close()
	return info, nil
}

// Stands reports whether a root is still the folder it was: a disk that is
// unmounted leaves an empty folder in its place, and what is missing below
// that was not deleted.
func Stands(root string, was fs.FileInfo) bool {
	now, err := os.Stat(root)
	return err == nil && os.SameFile(was, now)
}

// merge walks both sides in step. A root that shows no file now but did
// before is an unmounted disk rather than ten thousand deletions.
type merge struct {
	ctx     context.Context
	store   Store
	folder  storage.Folder
	root    fs.FileInfo
	known   func() (storage.KnownFile, error, bool)
	disk    func() (storage.FileStat, error, bool)
	changes storage.ScanChanges
	summary Summary
}

func (m *merge) run() error {
	file, onDisk, err := m.nextOnDisk()
	if err != nil {
		return err
	}
	old, isKnown, err := m.nextKnown()
	if err != nil {
		return err
	}
	if !onDisk && isKnown {
		return leave(m.ctx, m.store, m.folder, &Problem{m.folder.Path,
			"holds no pictures any more, an unmounted disk? Nothing was changed; `shoebox folders forget` drops a folder that is really gone"})
	}
	for onDisk || isKnown {
		switch {
		case !isKnown || onDisk && file.Path < old.Path:
			m.summary.New++
			m.changes.Upserts = append(m.changes.Upserts, file)
			file, onDisk, err = m.nextOnDisk()
		case !onDisk || old.Path < file.Path:
			m.notOnDisk(old)
			old, isKnown, err = m.nextKnown()
		default:
			m.both(file, old)
			if file, onDisk, err = m.nextOnDisk(); err == nil {
				old, isKnown, err = m.nextKnown()
			}
		}
		if err == nil {
			err = m.flush(batch)
		}
		if err != nil {
			return err
		}
	}
	return m.flush(1)
}

// nextOnDisk returns the next picture on disk and notes what is unreadable.
// An unreadable folder is noted before any file behind it in path order is
// returned, so notOnDisk always knows.
func (m *merge) nextOnDisk() (storage.FileStat, bool, error) {
	for {
		file, err, ok := m.disk()
		switch {
		case !ok:
			return storage.FileStat{}, false, nil
		case errors.Is(err, ErrUnreadable):
			slog.Warn("not readable, what is known below it stays", "folder", m.folder.Path, "error", err)
			m.summary.Unreadable = append(m.summary.Unreadable, err)
		case err != nil:
			return storage.FileStat{}, false, err
		default:
			m.summary.Files++
			return file, true, nil
		}
	}
}

func (m *merge) nextKnown() (storage.KnownFile, bool, error) {
	old, err, ok := m.known()
	if err != nil {
		return storage.KnownFile{}, false, fmt.Errorf("read what is known of %s: %w", m.folder.Path, err)
	}
	return old, ok, nil
}

func (m *merge) both(file storage.FileStat, old storage.KnownFile) {
	askAgain := old.State == storage.Unsupported && old.DecoderVersion < picture.DecoderVersion
	switch {
	case file.Size != old.Size || file.ModTime != old.ModTime || askAgain:
		m.summary.Changed++
		m.changes.Upserts = append(m.changes.Upserts, file)
	case old.Missing:
		m.summary.Restored++
		m.changes.Restored = append(m.changes.Restored, old.ID)
	default:
		m.summary.Unchanged++
	}
}

func (m *merge) notOnDisk(old storage.KnownFile) {
	if old.Missing || m.isUnreadable(old.Path) {
		return
	}
	m.summary.Missing++
	m.changes.Missing = append(m.changes.Missing, old.ID)
}

// isUnreadable reports whether a path is, or lies below, something that
// could not be looked at.
func (m *merge) isUnreadable(path string) bool {
	for _, err := range m.summary.Unreadable {
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
func (m *merge) flush(least int) error {
	if len(m.changes.Upserts)+len(m.changes.Restored)+len(m.changes.Missing) < least {
		return nil
	}
	if len(m.changes.Missing) > 0 && !Stands(m.folder.Path, m.root) {
		return leave(m.ctx, m.store, m.folder, &Problem{m.folder.Path,
			"went away while it was scanned, an unmounted disk? The rest was left as it was"})
	}
	if err := m.store.ApplyScan(m.ctx, m.folder.ID, m.changes); err != nil {
		return fmt.Errorf("record what changed in %s: %w", m.folder.Path, err)
	}
	m.changes = storage.ScanChanges{}
	return nil
}
