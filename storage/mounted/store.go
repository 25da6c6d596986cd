package mounted

import (
	"context"
	"iter"
	"slices"
	"time"

	"shoebox/storage"
)

// Store is a storage.Store whose absolute paths are those of this machine.
type Store struct {
	storage.Store
	Mounts Mounts
}

var _ storage.Store = Store{}

func (s Store) folder(f storage.Folder) storage.Folder {
	f.Path = s.Mounts.Local(f.Path)
	return f
}

// AddFolder implements storage.Store.
func (s Store) AddFolder(ctx context.Context, path string) (storage.Folder, error) {
	f, err := s.Store.AddFolder(ctx, s.Mounts.Stored(path))
	return s.folder(f), err
}

// Folders implements storage.Store.
func (s Store) Folders(ctx context.Context) ([]storage.Folder, error) {
	folders, err := s.Store.Folders(ctx)
	for i := range folders {
		folders[i] = s.folder(folders[i])
	}
	return folders, err
}

// ForgetFolder implements storage.Store.
func (s Store) ForgetFolder(ctx context.Context, path string) error {
	return s.Store.ForgetFolder(ctx, s.Mounts.Stored(path))
}

// Claim implements storage.Store.
func (s Store) Claim(ctx context.Context, owner storage.Owner, folderIDs []int64, n int, ttl time.Duration) ([]storage.Claim, error) {
	claims, err := s.Store.Claim(ctx, owner, folderIDs, n, ttl)
	for i := range claims {
		claims[i].FolderPath = s.Mounts.Local(claims[i].FolderPath)
	}
	return claims, err
}

// Failures implements storage.Store.
func (s Store) Failures(ctx context.Context, folderIDs []int64) iter.Seq2[storage.FailedFile, error] {
	return func(yield func(storage.FailedFile, error) bool) {
		for f, err := range s.Store.Failures(ctx, folderIDs) {
			if !yield(s.failure(f), err) {
				return
			}
		}
	}
}

// FailuresAfter implements storage.Store.
func (s Store) FailuresAfter(ctx context.Context, after storage.FailurePlace, n int) ([]storage.FailedFile, error) {
	if after.Folder != "" {
		after.Folder = s.Mounts.Stored(after.Folder)
	}
	failures, err := s.Store.FailuresAfter(ctx, after, n)
	for i := range failures {
		failures[i] = s.failure(failures[i])
	}
	return failures, err
}

func (s Store) failure(f storage.FailedFile) storage.FailedFile {
	f.Path, f.Place.Folder = s.Mounts.Local(f.Path), s.Mounts.Local(f.Place.Folder)
	return f
}

// RetryFailures implements storage.Store.
func (s Store) RetryFailures(ctx context.Context, paths []string) (int, error) {
	stored := slices.Clone(paths)
	for i := range stored {
		stored[i] = s.Mounts.Stored(stored[i])
	}
	return s.Store.RetryFailures(ctx, stored)
}

// Status implements storage.Store.
func (s Store) Status(ctx context.Context) (storage.Status, error) {
	status, err := s.Store.Status(ctx)
	for i := range status.Folders {
		status.Folders[i].Folder = s.folder(status.Folders[i].Folder)
	}
	return status, err
}

// Changes implements storage.Store: a machine's search index has its own paths.
func (s Store) Changes(ctx context.Context, after storage.Cursor, limit int) (storage.Changes, error) {
	changes, err := s.Store.Changes(ctx, after, limit)
	for i := range changes.Items {
		changes.Items[i] = s.change(changes.Items[i])
	}
	return changes, err
}

// Photos implements storage.Store.
func (s Store) Photos(ctx context.Context) iter.Seq2[storage.Change, error] {
	return func(yield func(storage.Change, error) bool) {
		for change, err := range s.Store.Photos(ctx) {
			if !yield(s.change(change), err) {
				return
			}
		}
	}
}

// PhotosByID implements storage.Store.
func (s Store) PhotosByID(ctx context.Context, ids []storage.PhotoID) ([]storage.Change, error) {
	changes, err := s.Store.PhotosByID(ctx, ids)
	for i := range changes {
		changes[i] = s.change(changes[i])
	}
	return changes, err
}

// Edits implements storage.Store.
func (s Store) Edits(ctx context.Context) iter.Seq2[storage.Edit, error] {
	return func(yield func(storage.Edit, error) bool) {
		for edit, err := range s.Store.Edits(ctx) {
			for i := range edit.Paths {
				edit.Paths[i] = s.Mounts.Local(edit.Paths[i])
			}
			slices.Sort(edit.Paths)
			if !yield(edit, err) {
				return
			}
		}
	}
}

func (s Store) change(c storage.Change) storage.Change {
	roots := make(map[string]string, len(c.Paths))
	for i := range c.Paths {
		c.Paths[i] = s.Mounts.Local(c.Paths[i])
		roots[c.Paths[i]] = s.Mounts.Local(c.Roots[i])
	}
	slices.Sort(c.Paths)
	for i, path := range c.Paths {
		c.Roots[i] = roots[path]
	}
	return c
}
