package postgres

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

const folderColumns = `id, path, present, scanned_at, coalesce(problem, ''), coalesce(file_system, ''),
	coalesce(watch_mode, ''), coalesce(watch_reason, ''), watch_seen_at`

func scanFolder(row pgx.CollectableRow) (storage.Folder, error) {
	var f storage.Folder
	var path []byte
	var scanned, seen *time.Time
	err := row.Scan(&f.ID, &path, &f.Present, &scanned, &f.Problem, &f.FileSystem,
		&f.Watch.Mode, &f.Watch.Reason, &seen)
	f.Path = string(path)
	if scanned != nil {
		f.ScannedAt = *scanned
	}
	if seen != nil {
		f.Watch.SeenAt = *seen
	}
	return f, err
}

// AddFolder remembers a root; adding it again returns the same folder. The
// path must be absolute; it is cleaned first.
func (s *Store) AddFolder(ctx context.Context, path string) (storage.Folder, error) {
	if !filepath.IsAbs(path) {
		return storage.Folder{}, fmt.Errorf("adding folder %q: the path must be absolute", path)
	}
	path = filepath.Clean(path)
	doing := fmt.Sprintf("adding folder %q", path)
	_, err := s.pool.Exec(ctx, `
		INSERT INTO folders (path)
		SELECT $1::bytea WHERE NOT EXISTS (SELECT 1 FROM folders WHERE sha256(path) = sha256($1))
		ON CONFLICT DO NOTHING`, []byte(path))
	if err != nil {
		return storage.Folder{}, s.failed(doing, err)
	}
	rows, _ := s.pool.Query(ctx, `
		SELECT `+folderColumns+` FROM folders WHERE sha256(path) = sha256($1)`, []byte(path))
	folder, err := pgx.CollectExactlyOneRow(rows, scanFolder)
	return folder, s.failed(doing, err)
}

// Folders lists the roots in byte order of their paths.
func (s *Store) Folders(ctx context.Context) ([]storage.Folder, error) {
	return query(ctx, s, "listing the folders", scanFolder,
		`SELECT `+folderColumns+` FROM folders ORDER BY path`)
}

// ReportWatch records how a folder is watched now. A folder that has been
// forgotten meanwhile is ErrUnknownFolder.
func (s *Store) ReportWatch(ctx context.Context, folderID int64, mode storage.WatchMode, reason string) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE folders SET watch_mode = nullif($2, ''), watch_reason = nullif($3, ''), watch_seen_at = now()
		WHERE id = $1`, folderID, string(mode), clean(reason))
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("folder %d: %w", folderID, storage.ErrUnknownFolder)
	}
	return s.failed("recording how a folder is watched", err)
}

// ForgetFolder drops a root and its files in one transaction.
func (s *Store) ForgetFolder(ctx context.Context, path string) error {
	path = filepath.Clean(path)
	return s.transact(ctx, fmt.Sprintf("forgetting folder %q", path), func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			SELECT id FROM folders WHERE sha256(path) = sha256($1) FOR UPDATE`, []byte(path)).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return storage.ErrUnknownFolder
		} else if err != nil {
			return err
		}
		// The locks of the files and of the photos that the trigger stamps,
		// in the order that all transactions keep.
		for _, statement := range []string{
			`SELECT count(*) FROM (
				SELECT 1 FROM files WHERE folder_id = $1 ORDER BY id FOR UPDATE) AS locked`,
			`SELECT count(*) FROM (
				SELECT 1 FROM photos WHERE id IN (SELECT photo_id FROM files WHERE folder_id = $1)
				ORDER BY id FOR NO KEY UPDATE) AS locked`,
			`DELETE FROM files WHERE folder_id = $1`,
			`DELETE FROM folders WHERE id = $1`,
		} {
			if _, err := tx.Exec(ctx, statement, id); err != nil {
				return err
			}
		}
		return nil
	})
}
