// Package scan compares a folder on disk with what storage knows of it.
//
// A scan is idempotent and the only judge of what is new, changed or gone,
// be it of a whole root (Folder) or of parts that a watcher has heard of
// (Paths). It looks at names, sizes and times and never reads a picture. Both
// sides come in byte order of their paths and are merged, so memory grows with
// the largest single directory only.
package scan

import (
	"context"
	"fmt"
	"io/fs"
	"iter"

	"shoebox/storage"
)

// batch is how many differences are written in one transaction.
const batch = 2000

// Store is what a scan needs of storage.Store.
type Store interface {
	KnownBelow(ctx context.Context, folderID int64, dir string) iter.Seq2[storage.KnownFile, error]
	KnownAt(ctx context.Context, folderID int64, paths []string) (files []storage.KnownFile, parents []string, err error)
	ApplyScan(ctx context.Context, folderID int64, changes storage.ScanChanges) error
	EndScan(ctx context.Context, folderID int64, end storage.ScanEnd) error
}

// Options say how to look. The zero value looks at everything.
type Options struct {
	// Skip is an absolute path that is not walked: the data folder, should it
	// lie in a photo folder.
	Skip string
	// ConfirmEmpty takes a root as it is that is empty or on another file
	// system than before, instead of for an unmounted disk.
	ConfirmEmpty bool
	// Settled reports whether a new or changed file has come to rest; one
	// that has not is left for later and named in Summary.Unsettled. Nil: all
	// have.
	Settled func(file File) bool
	// Enter is called with each folder, relative to the root ("" is the root
	// itself), before it is listed: what comes into a folder later than that
	// is for a watch to see. Nil: nobody watches.
	Enter func(dir string)
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
	// FileSystem is what the root is on, as it is remembered.
	FileSystem string
	// Unsettled are new and changed files, relative to the root, that
	// Options.Settled turned down.
	Unsettled []string
	// Unreadable are folders and files that could not be looked at; what
	// is known below them stays as it is.
	Unreadable []error
}

// Queued is how many files became pending or are present again.
func (s Summary) Queued() int { return s.New + s.Changed + s.Restored }

// Problem is why a whole root was left alone: nothing was changed.
type Problem struct {
	Folder string
	Reason string
}

func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Folder, p.Reason) }

// Folder scans one root. A *Problem says that the root cannot be trusted now,
// because it is gone, empty or on another file system than before: nothing
// was changed then, and storage knows why.
func Folder(ctx context.Context, store Store, folder storage.Folder, options Options) (Summary, error) {
	l, problem := newLook(ctx, store, folder, options)
	if problem != nil {
		return Summary{}, leave(ctx, store, folder, problem)
	}
	if err := l.judgeFileSystem(); err != nil {
		return l.summary, err
	}
	if err := l.tree("", true); err != nil {
		return l.summary, err
	}
	if err := l.flush(1); err != nil {
		return l.summary, err
	}
	return l.summary, store.EndScan(ctx, folder.ID, storage.ScanEnd{FileSystem: l.summary.FileSystem})
}

// look is one scan of a root or of parts of it.
type look struct {
	ctx     context.Context
	store   Store
	folder  storage.Folder
	options Options
	rules   *ruleBook

	whole   bool // the root has been seen to hold a picture, or may be empty
	changes storage.ScanChanges
	summary Summary
}

func newLook(ctx context.Context, store Store, folder storage.Folder, options Options) (*look, *Problem) {
	root, problem := openRoot(folder.Path)
	if problem != nil {
		return nil, problem
	}
	l := &look{ctx: ctx, store: store, folder: folder, options: options, rules: newRuleBook(folder.Path, options.Skip)}
	l.whole = options.ConfirmEmpty
	l.summary.Root = root
	l.summary.FileSystem = FileSystem(folder.Path)
	return l, nil
}

// leave records that a root was left alone and returns why.
func leave(ctx context.Context, store Store, folder storage.Folder, problem *Problem) error {
	if err := store.EndScan(ctx, folder.ID, storage.ScanEnd{Problem: problem.Reason}); err != nil {
		return err
	}
	return problem
}

func (l *look) leave(reason string) error {
	return leave(l.ctx, l.store, l.folder, &Problem{l.folder.Path, reason})
}
