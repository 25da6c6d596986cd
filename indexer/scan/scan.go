// Package scan compares a folder on disk with what storage knows of it.
//
// A scan is idempotent and the only judge of what is new, changed or gone:
// events of a watcher are hints to scan. It looks at names, sizes and times
// and never opens a file. Both sides come in byte order of their paths and
// are merged, so memory does not grow with the folder.
package scan

import (
	"context"
	"errors"
	"fmt"
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
	if problem := absent(folder.Path); problem != nil {
		return Summary{}, errors.Join(problem, store.EndScan(ctx, folder.ID, false))
	}
	known, stopKnown := iter.Pull2(store.KnownFiles(ctx, folder.ID))
	defer stopKnown()
	disk, stopDisk := iter.Pull2(walk(ctx, folder.Path, skip))
	defer stopDisk()
	m := merge{ctx: ctx, store: store, folder: folder, known: known, disk: disk}
	if err := m.run(); err != nil {
		return m.summary, err
	}
	return m.summary, store.EndScan(ctx, folder.ID, true)
}

// absent says why a root cannot be scanned, or returns nil.
func absent(root string) *Problem {
	info, err := os.Stat(root)
	switch {
	case err != nil:
		return &Problem{root, fmt.Sprintf("is not there (%v): an unmounted disk? Nothing was changed", errors.Unwrap(err))}
	case !info.IsDir():
		return &Problem{root, "is not a folder. Nothing was changed"}
	}
	dir, err := os.Open(root)
	if err != nil {
		return &Problem{root, fmt.Sprintf("cannot be listed (%v). Nothing was changed", errors.Unwrap(err))}
	}
	dir.Close()
	return nil
}

// merge walks both sides in step. Changes are held back until the disk has
// shown its first file: a root that is empty now but was not before is an
// unmounted disk rather than ten thousand deletions.
type merge struct {
	ctx     context.Context
	store   Store
	folder  storage.Folder
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
	if !onDisk && isKnown && len(m.summary.Unreadable) == 0 {
		return errors.Join(
			&Problem{m.folder.Path, "holds no pictures any more, an unmounted disk? Nothing was changed; `shoebox folders forget` drops a folder that is really gone"},
			m.store.EndScan(m.ctx, m.folder.ID, false))
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
// could not be looked at. Unreadable places are few.
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
	if err := m.store.ApplyScan(m.ctx, m.folder.ID, m.changes); err != nil {
		return fmt.Errorf("record what changed in %s: %w", m.folder.Path, err)
	}
	m.changes = storage.ScanChanges{}
	return nil
}
