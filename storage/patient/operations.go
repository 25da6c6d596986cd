package patient

import (
	"bytes"
	"context"
	"iter"
	"time"

	"shoebox/storage"
)

// The operations that indexing and watching need, in the order of
// storage.Store.

// AddFolder implements storage.Store.
func (s *Store) AddFolder(ctx context.Context, path string) (storage.Folder, error) {
	return ask(ctx, s, func() (storage.Folder, error) { return s.Store.AddFolder(ctx, path) })
}

// Folders implements storage.Store.
func (s *Store) Folders(ctx context.Context) ([]storage.Folder, error) {
	return ask(ctx, s, func() ([]storage.Folder, error) { return s.Store.Folders(ctx) })
}

// KnownFiles implements storage.Store.
func (s *Store) KnownFiles(ctx context.Context, folderID int64) iter.Seq2[storage.KnownFile, error] {
	return stream(ctx, s, func() iter.Seq2[storage.KnownFile, error] { return s.Store.KnownFiles(ctx, folderID) }, byPath)
}

// KnownBelow implements storage.Store.
func (s *Store) KnownBelow(ctx context.Context, folderID int64, dir string) iter.Seq2[storage.KnownFile, error] {
	return stream(ctx, s, func() iter.Seq2[storage.KnownFile, error] { return s.Store.KnownBelow(ctx, folderID, dir) }, byPath)
}

func byPath(a, b storage.KnownFile) bool { return a.Path < b.Path }

// KnownAt implements storage.Store.
func (s *Store) KnownAt(ctx context.Context, folderID int64, paths []string) (files []storage.KnownFile, parents []string, err error) {
	err = tell(ctx, s, func() (err error) {
		files, parents, err = s.Store.KnownAt(ctx, folderID, paths)
		return err
	})
	return files, parents, err
}

// ApplyScan implements storage.Store.
func (s *Store) ApplyScan(ctx context.Context, folderID int64, changes storage.ScanChanges) error {
	return tell(ctx, s, func() error { return s.Store.ApplyScan(ctx, folderID, changes) })
}

// EndScan implements storage.Store.
func (s *Store) EndScan(ctx context.Context, folderID int64, end storage.ScanEnd) error {
	return tell(ctx, s, func() error { return s.Store.EndScan(ctx, folderID, end) })
}

// ReportWatch implements storage.Store.
func (s *Store) ReportWatch(ctx context.Context, folderID int64, mode storage.WatchMode, reason string) error {
	return tell(ctx, s, func() error { return s.Store.ReportWatch(ctx, folderID, mode, reason) })
}

// Paused implements storage.Store.
func (s *Store) Paused(ctx context.Context) (time.Time, error) {
	return ask(ctx, s, func() (time.Time, error) { return s.Store.Paused(ctx) })
}

// Claim implements storage.Store. When an answer was lost, its files are leased
// to owner without owner's knowing: whoever holds nothing gives them back with
// ReleaseAll.
func (s *Store) Claim(ctx context.Context, owner storage.Owner, folderIDs []int64, n int, ttl time.Duration) ([]storage.Claim, error) {
	return ask(ctx, s, func() ([]storage.Claim, error) { return s.Store.Claim(ctx, owner, folderIDs, n, ttl) })
}

// ExtendLeases implements storage.Store.
func (s *Store) ExtendLeases(ctx context.Context, owner storage.Owner, ttl time.Duration) error {
	return tell(ctx, s, func() error { return s.Store.ExtendLeases(ctx, owner, ttl) })
}

// Release implements storage.Store.
func (s *Store) Release(ctx context.Context, owner storage.Owner, fileIDs []int64) error {
	return tell(ctx, s, func() error { return s.Store.Release(ctx, owner, fileIDs) })
}

// ReleaseAll implements storage.Store.
func (s *Store) ReleaseAll(ctx context.Context, owner storage.Owner) error {
	return tell(ctx, s, func() error { return s.Store.ReleaseAll(ctx, owner) })
}

// Leases implements storage.Store.
func (s *Store) Leases(ctx context.Context) ([]storage.Lease, error) {
	return ask(ctx, s, func() ([]storage.Lease, error) { return s.Store.Leases(ctx) })
}

// TakeBack implements storage.Store.
func (s *Store) TakeBack(ctx context.Context, owner storage.Owner) (int, error) {
	return ask(ctx, s, func() (int, error) { return s.Store.TakeBack(ctx, owner) })
}

// NextRetry implements storage.Store.
func (s *Store) NextRetry(ctx context.Context, folderIDs []int64) (in time.Duration, some bool, err error) {
	err = tell(ctx, s, func() (err error) {
		in, some, err = s.Store.NextRetry(ctx, folderIDs)
		return err
	})
	return in, some, err
}

// Commit implements storage.Store.
func (s *Store) Commit(ctx context.Context, owner storage.Owner, results []storage.Result) (int, error) {
	return ask(ctx, s, func() (int, error) { return s.Store.Commit(ctx, owner, results) })
}

// CaptionedPhotos implements storage.Store.
func (s *Store) CaptionedPhotos(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error) {
	return ask(ctx, s, func() (map[storage.PhotoID]bool, error) { return s.Store.CaptionedPhotos(ctx, ids) })
}

// CaptionByPixels implements storage.Store.
func (s *Store) CaptionByPixels(ctx context.Context, pixels [32]byte, model string) (c storage.Caption, seen storage.Seen, found bool, err error) {
	err = tell(ctx, s, func() (err error) {
		c, seen, found, err = s.Store.CaptionByPixels(ctx, pixels, model)
		return err
	})
	return c, seen, found, err
}

// CountFiles implements storage.Store.
func (s *Store) CountFiles(ctx context.Context, folderIDs []int64) (storage.Counts, error) {
	return ask(ctx, s, func() (storage.Counts, error) { return s.Store.CountFiles(ctx, folderIDs) })
}

// RecordModel implements storage.Store.
func (s *Store) RecordModel(ctx context.Context, hash, name string, vocabulary storage.Vocabulary) error {
	return tell(ctx, s, func() error { return s.Store.RecordModel(ctx, hash, name, vocabulary) })
}

// Vocabulary implements storage.Store.
func (s *Store) Vocabulary(ctx context.Context, hash string) (storage.Vocabulary, error) {
	return ask(ctx, s, func() (storage.Vocabulary, error) { return s.Store.Vocabulary(ctx, hash) })
}

// Changes implements storage.Store.
func (s *Store) Changes(ctx context.Context, after storage.Cursor, limit int) (storage.Changes, error) {
	return ask(ctx, s, func() (storage.Changes, error) { return s.Store.Changes(ctx, after, limit) })
}

// Photos implements storage.Store.
func (s *Store) Photos(ctx context.Context) iter.Seq2[storage.Change, error] {
	return stream(ctx, s, func() iter.Seq2[storage.Change, error] { return s.Store.Photos(ctx) },
		func(a, b storage.Change) bool { return bytes.Compare(a.Photo.ID[:], b.Photo.ID[:]) < 0 })
}

// Edits implements storage.Store.
func (s *Store) Edits(ctx context.Context) iter.Seq2[storage.Edit, error] {
	return stream(ctx, s, func() iter.Seq2[storage.Edit, error] { return s.Store.Edits(ctx) },
		func(a, b storage.Edit) bool { return bytes.Compare(a.Photo[:], b.Photo[:]) < 0 })
}

// Status implements storage.Store.
func (s *Store) Status(ctx context.Context) (storage.Status, error) {
	return ask(ctx, s, func() (storage.Status, error) { return s.Store.Status(ctx) })
}
