package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// knownPage is how many files KnownFiles reads with a statement: enough that
// the round trip does not matter, about 1 MB of memory.
const knownPage = 5000

// KnownFiles streams a folder's files in byte order of their paths. It reads
// page by page and holds no connection between them, so that a slow walk
// beside it keeps no transaction open; each page is of its own moment.
func (s *Store) KnownFiles(ctx context.Context, folderID int64) iter.Seq2[storage.KnownFile, error] {
	return func(yield func(storage.KnownFile, error) bool) {
		after := []byte{}
		for {
			page, err := s.knownFilesAfter(ctx, folderID, after)
			if err != nil {
				yield(storage.KnownFile{}, err)
				return
			}
			for _, file := range page {
				if !yield(file, nil) {
					return
				}
			}
			if len(page) < knownPage {
				return
			}
			after = []byte(page[len(page)-1].Path)
		}
	}
}

func (s *Store) knownFilesAfter(ctx context.Context, folderID int64, path []byte) ([]storage.KnownFile, error) {
	return query(ctx, s, "reading the known files", scanKnownFile, `
		SELECT id, path, size, mtime_ns, NOT present, state, coalesce(decoder_version, 0)
		FROM files
		WHERE folder_id = $1 AND (substring(path FROM 1 FOR 2000), path) > (substring($2::bytea FROM 1 FOR 2000), $2)
		ORDER BY substring(path FROM 1 FOR 2000), path
		LIMIT $3`, folderID, path, knownPage)
}

func scanKnownFile(row pgx.CollectableRow) (storage.KnownFile, error) {
	var f storage.KnownFile
	var path []byte
	err := row.Scan(&f.ID, &path, &f.Size, &f.ModTime, &f.Missing, &f.State, &f.DecoderVersion)
	f.Path = string(path)
	return f, err
}

// ApplyScan records a part of a scan in one transaction. An upsert whose size
// and time are known already changes nothing while the file is leased or done:
// another scan was faster. Parts of a few thousand files are best.
func (s *Store) ApplyScan(ctx context.Context, folderID int64, changes storage.ScanChanges) error {
	upserts := columnsOf(changes.Upserts)
	return s.transact(ctx, "recording a scan", func(tx pgx.Tx) error {
		// Two scans of a folder take turns; different folders do not wait.
		var id int64
		err := tx.QueryRow(ctx, `SELECT id FROM folders WHERE id = $1 FOR NO KEY UPDATE`, folderID).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("folder %d: %w", folderID, storage.ErrUnknownFolder)
		} else if err != nil {
			return err
		}
		known, err := lockScanned(ctx, tx, folderID, upserts.paths, slices.Concat(changes.Restored, changes.Missing))
		if err != nil {
			return err
		}
		if err := upsertFiles(ctx, tx, folderID, upserts); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE files SET present = false WHERE id = ANY ($1) AND present`, changes.Missing)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE files SET present = true WHERE id = ANY ($1) AND NOT present`,
			slices.Concat(known, changes.Restored))
		return err
	})
}

// lockScanned locks the files that a scan names by path or by id, and the
// photos that may have to be stamped for them. It returns the ids of those
// named by path.
func lockScanned(ctx context.Context, tx pgx.Tx, folderID int64, paths [][]byte, ids []int64) ([]int64, error) {
	// LATERAL and OFFSET 0 make it a look-up for each path: a server that
	// knows nothing of the table yet would rather read the whole folder.
	rows, err := tx.Query(ctx, `
		SELECT known.id FROM unnest($2::bytea[]) AS seen (path), LATERAL (
			SELECT id FROM files
			WHERE folder_id = $1 AND substring(path FROM 1 FOR 2000) = substring(seen.path FROM 1 FOR 2000)
				AND path = seen.path
			OFFSET 0) AS known`, folderID, paths)
	if err != nil {
		return nil, err
	}
	known, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, err
	}
	rows, err = tx.Query(ctx, `
		SELECT id, folder_id, photo_id FROM files WHERE id = ANY ($1) ORDER BY id FOR UPDATE`,
		slices.Concat(ids, known))
	if err != nil {
		return nil, err
	}
	var photos [][]byte
	var id, folder int64
	var photo []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &folder, &photo}, func() error {
		if folder != folderID {
			return fmt.Errorf("file %d is not in folder %d", id, folderID)
		}
		photos = append(photos, slices.Clone(photo))
		return nil
	})
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `SELECT 1 FROM photos WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE`, photos)
	return known, err
}

// upsertFiles makes new and changed files pending, new ones in the order of
// the walk, and those that failed as they were, too: a scan asks for them
// again. A lease on other bytes than those there now is worth nothing.
func upsertFiles(ctx context.Context, tx pgx.Tx, folderID int64, files fileColumns) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO files AS f (folder_id, path, size, mtime_ns)
		SELECT $1, path, size, mtime_ns
		FROM unnest($2::bytea[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS seen (path, size, mtime_ns, place)
		ORDER BY place
		ON CONFLICT
			(folder_id, substring(path FROM 1 FOR 2000), (CASE WHEN length(path) > 2000 THEN sha256(path) ELSE '' END))
		DO UPDATE SET
			size = excluded.size, mtime_ns = excluded.mtime_ns, present = true, state = 'pending', attempts = 0,
			lease_owner = NULL, lease_ends = NULL,
			error_code = NULL, error_text = NULL, failed_at = NULL, decoder_version = NULL
		WHERE (f.size, f.mtime_ns) <> (excluded.size, excluded.mtime_ns) OR f.state IN ('failed', 'unsupported')`,
		folderID, files.paths, files.sizes, files.modTimes)
	return err
}

// fileColumns are files as arrays, for unnest.
type fileColumns struct {
	paths           [][]byte
	sizes, modTimes []int64
}

// columnsOf keeps the last of those with the same path, since a statement
// cannot write a row twice.
func columnsOf(files []storage.FileStat) fileColumns {
	var c fileColumns
	place := make(map[string]int, len(files))
	for _, f := range files {
		i, again := place[f.Path]
		if !again {
			i = len(c.paths)
			place[f.Path] = i
			c.paths, c.sizes, c.modTimes = append(c.paths, []byte(f.Path)), append(c.sizes, 0), append(c.modTimes, 0)
		}
		c.sizes[i], c.modTimes[i] = f.Size, f.ModTime
	}
	return c
}

// EndScan records that a scan ended and whether the root was there. Only a
// scan that saw the root counts as a full one.
func (s *Store) EndScan(ctx context.Context, folderID int64, present bool) error {
	return s.transact(ctx, "recording the end of a scan", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE folders SET present = $2, scanned_at = CASE WHEN $2 THEN now() ELSE scanned_at END
			WHERE id = $1`, folderID, present)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("folder %d: %w", folderID, storage.ErrUnknownFolder)
		}
		_, err = tx.Exec(ctx, `SELECT fold_file_counts()`)
		return err
	})
}
