// Package verify compares the three places that know of photos: the disk,
// storage and the search index. It says every difference, and mends them if it
// is asked to: storage is brought in line with the disk, and search in line
// with storage.
//
// It streams all three in the order of their keys and holds no more than a few
// thousand differences at a time. It never reads a picture and never captions:
// what has changed on disk is only put into the queue.
package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"

	"shoebox/indexer/scan"
	"shoebox/search"
	"shoebox/storage"
)

// Kind is a way in which two places differ.
type Kind string

// The kinds of differences: what a scan has yet to take up, and what search
// shows wrongly.
const (
	OnlyOnDisk     Kind = "only_on_disk"    // not known yet
	ChangedOnDisk  Kind = "changed_on_disk" // since it was read
	BackOnDisk     Kind = "back_on_disk"    // known as missing
	NotOnDisk      Kind = "not_on_disk"     // known as present
	NotReadable    Kind = "not_readable"    // a folder or file that cannot be looked at
	FolderAway     Kind = "folder_away"     // a whole root: an unmounted disk?
	NotInSearch    Kind = "not_in_search"   // and should be
	OnlyInSearch   Kind = "only_in_search"  // and should not be
	OtherInSearch  Kind = "other_in_search" // with other content than storage has
	SearchUnusable Kind = "search_unusable" // the index is missing or damaged
)

// Difference is something that two places do not agree on.
type Difference struct {
	Kind   Kind
	Path   string // absolute, of a file or a folder; empty: see Photo
	Photo  string // hexadecimal ID; empty: none is known
	Detail string // for people; may be empty
	// Mended says what was done about it; empty: nothing.
	Mended string
}

// Store is what verify needs of storage.Store.
type Store interface {
	scan.Store
	Folders(ctx context.Context) ([]storage.Folder, error)
	FilesByID(ctx context.Context, ids []int64) ([]storage.KnownFile, error)
	Photos(ctx context.Context) iter.Seq2[storage.Change, error]
	PhotosByID(ctx context.Context, ids []storage.PhotoID) ([]storage.Change, error)
	Restamp(ctx context.Context, ids []storage.PhotoID) error
}

// Index is the search index, whoever holds it.
type Index interface {
	// Usable says why the index cannot be read as it is (search.ErrNoIndex,
	// ErrDamaged, ErrOutdated); nil: it can.
	Usable(ctx context.Context) error
	// Finish takes over all that storage holds now; an index that is not
	// usable is built again.
	Finish(ctx context.Context) error
	// Documents and Remove are those of package search.
	Documents(ctx context.Context, after string, limit int) ([]search.Hit, error)
	Remove(ctx context.Context, photos []string) error
}

// Verifier compares.
type Verifier struct {
	Store  Store
	Index  Index
	Skip   string // an absolute path that is no part of any folder
	Repair bool
	// Report is told each difference; an error of it ends the run.
	Report func(Difference) error
}

// Run compares everything and returns how many differences are left.
func (v *Verifier) Run(ctx context.Context) (left int, err error) {
	report := v.Report
	counting := *v
	counting.Report = func(d Difference) error {
		if d.Mended == "" {
			left++
		}
		return report(d)
	}
	if err := counting.disk(ctx); err != nil {
		return left, err
	}
	return left, counting.search(ctx)
}

// disk compares each folder with what storage knows, by a scan whose changes
// are reported, and applied only by a repair.
func (v *Verifier) disk(ctx context.Context) error {
	folders, err := v.Store.Folders(ctx)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		store := &reportingStore{Store: v.Store, verifier: v, folder: folder}
		summary, err := scan.Folder(ctx, store, folder, scan.Options{Skip: v.Skip})
		var problem *scan.Problem
		if errors.As(err, &problem) {
			err = v.Report(Difference{Kind: FolderAway, Path: folder.Path, Detail: problem.Reason})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", folder.Path, err)
		}
		for _, unreadable := range summary.Unreadable {
			if err := v.Report(Difference{Kind: NotReadable, Path: folder.Path, Detail: unreadable.Error()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// reportingStore is a scan.Store that reports the changes of a scan.
type reportingStore struct {
	scan.Store
	verifier *Verifier
	folder   storage.Folder
}

// ApplyScan implements scan.Store.
func (s *reportingStore) ApplyScan(ctx context.Context, folderID int64, changes storage.ScanChanges) error {
	differences, err := s.differences(ctx, folderID, changes)
	if err != nil {
		return err
	}
	if s.verifier.Repair {
		if err := s.Store.ApplyScan(ctx, folderID, changes); err != nil {
			return err
		}
	}
	for _, d := range differences {
		if !s.verifier.Repair {
			d.Mended = ""
		}
		if err := s.verifier.Report(d); err != nil {
			return err
		}
	}
	return nil
}

// EndScan implements scan.Store.
func (s *reportingStore) EndScan(ctx context.Context, folderID int64, end storage.ScanEnd) error {
	if s.verifier.Repair {
		return s.Store.EndScan(ctx, folderID, end)
	}
	return nil
}

// differences are the changes of a scan, with what applying them does.
func (s *reportingStore) differences(ctx context.Context, folderID int64, changes storage.ScanChanges) (all []Difference, err error) {
	add := func(kind Kind, path, mended, detail string) {
		all = append(all, Difference{Kind: kind, Path: filepath.Join(s.folder.Path, path), Mended: mended, Detail: detail})
	}
	var paths []string
	for _, file := range changes.Upserts {
		paths = append(paths, file.Path)
	}
	files, _, err := s.KnownAt(ctx, folderID, paths)
	if err != nil {
		return nil, err
	}
	known := make(map[string]storage.KnownFile)
	for _, file := range files {
		known[file.Path] = file
	}
	for _, file := range changes.Upserts {
		kind, detail := OnlyOnDisk, ""
		if old, is := known[file.Path]; is {
			kind = ChangedOnDisk
			if file.Sidecar != old.Sidecar && file.Size == old.Size && file.ModTime == old.ModTime {
				detail = "only its sidecar"
			}
		}
		add(kind, file.Path, "in the queue", detail)
	}
	for kind, ids := range map[Kind][]int64{BackOnDisk: changes.Restored, NotOnDisk: changes.Missing} {
		files, err := s.verifier.Store.FilesByID(ctx, ids)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			add(kind, file.Path, map[Kind]string{BackOnDisk: "marked as present", NotOnDisk: "marked as missing"}[kind], "")
		}
	}
	return all, nil
}
