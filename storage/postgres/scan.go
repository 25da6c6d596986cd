package postgres

import (
	"bytes"
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
	return s.KnownBelow(ctx, folderID, "")
}

// KnownBelow streams the files below a subfolder, like KnownFiles; of the
// whole folder for "".
func (s *Store) KnownBelow(ctx context.Context, folderID int64, dir string) iter.Seq2[storage.KnownFile, error] {
	return func(yield func(storage.KnownFile, error) bool) {
		after, before := below(dir)
		for {
			page, err := s.knownBetween(ctx, folderID, after, before)
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

// below gives the bounds, both exclusive, of the paths below a subfolder:
// '0' is the byte behind '/'. No path has more than 4,096 bytes.
func below(dir string) (after, before []byte) {
	if dir == "" {
		return []byte{}, bytes.Repeat([]byte{0xFF}, 4097)
	}
	return []byte(dir + "/"), []byte(dir + "0")
}

const knownFileColumns = `id, path, size, mtime_ns, NOT present, state, coalesce(decoder_version, 0),
	coalesce(sidecar_size, 0), coalesce(sidecar_mtime_ns, 0)`

func (s *Store) knownBetween(ctx context.Context, folderID int64, after, before []byte) ([]storage.KnownFile, error) {
	return query(ctx, s, "reading the known files", scanKnownFile, `
		SELECT `+knownFileColumns+`
		FROM files
		WHERE folder_id = $1
			AND (substring(path FROM 1 FOR 2000), path) > (substring($2::bytea FROM 1 FOR 2000), $2)
			AND (substring(path FROM 1 FOR 2000), path) < (substring($3::bytea FROM 1 FOR 2000), $3)
		ORDER BY substring(path FROM 1 FOR 2000), path
		LIMIT $4`, folderID, after, before, knownPage)
}

// KnownAt returns what is known of single files, and those of the paths below
// which present files are known: folders that may have gone. A few thousand
// paths are best.
func (s *Store) KnownAt(ctx context.Context, folderID int64, paths []string) (files []storage.KnownFile, parents []string, err error) {
	var exact, after, before [][]byte
	for _, path := range paths {
		low, high := below(path)
		exact, after, before = append(exact, []byte(path)), append(after, low), append(before, high)
	}
	// LATERAL and OFFSET 0 make it a look-up for each path, as in lockScanned.
	files, err = query(ctx, s, "reading known files", scanKnownFile, `
		SELECT known.* FROM unnest($2::bytea[]) AS seen (path), LATERAL (
			SELECT `+knownFileColumns+` FROM files
			WHERE folder_id = $1 AND substring(path FROM 1 FOR 2000) = substring(seen.path FROM 1 FOR 2000)
				AND path = seen.path
			OFFSET 0) AS known`, folderID, exact)
	if err != nil {
		return nil, nil, err
	}
	parents, err = query(ctx, s, "reading known folders", scanPath, `
		SELECT seen.path FROM unnest($2::bytea[], $3::bytea[], $4::bytea[]) AS seen (path, low, high), LATERAL (
			SELECT 1 FROM files
			WHERE folder_id = $1 AND present
				AND (substring(path FROM 1 FOR 2000), path) > (substring(seen.low FROM 1 FOR 2000), seen.low)
				AND (substring(path FROM 1 FOR 2000), path) < (substring(seen.high FROM 1 FOR 2000), seen.high)
			LIMIT 1) AS known`, folderID, exact, after, before)
	return files, parents, err
}

func scanPath(row pgx.CollectableRow) (string, error) {
	var path []byte
	err := row.Scan(&path)
	return string(path), err
}

func scanKnownFile(row pgx.CollectableRow) (storage.KnownFile, error) {
	var f storage.KnownFile
	var path []byte
	err := row.Scan(&f.ID, &path, &f.Size, &f.ModTime, &f.Missing, &f.State, &f.DecoderVersion,
		&f.Sidecar.Size, &f.Sidecar.ModTime)
	f.Path = string(path)
	return f, err
}

// ApplyScan records a part of a scan in one transaction. An upsert whose sizes
// and times are known already changes nothing while the file is leased or done:
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
// again. A lease on other bytes than those there now is worth nothing. Where
// only the sidecar differs, what is known of the picture stays: of one that has
// been read nothing but the sidecar is still to be read.
func upsertFiles(ctx context.Context, tx pgx.Tx, folderID int64, files fileColumns) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO files AS f (folder_id, path, size, mtime_ns, sidecar_size, sidecar_mtime_ns)
		SELECT $1, path, size, mtime_ns, sidecar_size, sidecar_mtime_ns
		FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) WITH ORDINALITY
			AS seen (path, size, mtime_ns, sidecar_size, sidecar_mtime_ns, place)
		ORDER BY place
		ON CONFLICT
			(folder_id, substring(path FROM 1 FOR 2000), (CASE WHEN length(path) > 2000 THEN sha256(path) ELSE '' END))
		DO UPDATE SET
			size = excluded.size, mtime_ns = excluded.mtime_ns, present = true, state = 'pending', attempts = 0,
			lease_owner = NULL, lease_ends = NULL,
			error_code = NULL, error_text = NULL, failed_at = NULL, decoder_version = NULL,
			retry_after = NULL, sidecar_size = excluded.sidecar_size, sidecar_mtime_ns = excluded.sidecar_mtime_ns,
			suspect = f.suspect AND (f.size, f.mtime_ns) = (excluded.size, excluded.mtime_ns),
			recaption = f.recaption AND (f.size, f.mtime_ns) = (excluded.size, excluded.mtime_ns),
			only_sidecar = (f.only_sidecar OR f.state = 'done') AND (f.size, f.mtime_ns) = (excluded.size, excluded.mtime_ns)
		WHERE (f.size, f.mtime_ns, f.sidecar_size, f.sidecar_mtime_ns)
				IS DISTINCT FROM (excluded.size, excluded.mtime_ns, excluded.sidecar_size, excluded.sidecar_mtime_ns)
			OR f.state IN ('failed', 'unsupported')`,
		folderID, files.paths, files.sizes, files.modTimes, files.sidecars.sizes, files.sidecars.modTimes)
	return err
}

// fileColumns are files as arrays, for unnest.
type fileColumns struct {
	paths           [][]byte
	sizes, modTimes []int64
	sidecars        sidecarColumns
}

// sidecarColumns are the stats of sidecars as arrays, null where there is none.
type sidecarColumns struct{ sizes, modTimes []*int64 }

func (c *sidecarColumns) add(s storage.SidecarStat) {
	var size, modTime *int64
	if s != (storage.SidecarStat{}) {
		size, modTime = &s.Size, &s.ModTime
	}
	c.sizes, c.modTimes = append(c.sizes, size), append(c.modTimes, modTime)
}

// columnsOf keeps the last of those with the same path, since a statement
// cannot write a row twice.
func columnsOf(files []storage.FileStat) fileColumns {
	last := make(map[string]int, len(files))
	for i, f := range files {
		last[f.Path] = i
	}
	var c fileColumns
	for i, f := range files {
		if last[f.Path] != i {
			continue
		}
		c.paths = append(c.paths, []byte(f.Path))
		c.sizes, c.modTimes = append(c.sizes, f.Size), append(c.modTimes, f.ModTime)
		c.sidecars.add(f.Sidecar)
	}
	return c
}

// EndScan records that a scan of a whole root ended. Only one without a
// problem counts as a full one.
func (s *Store) EndScan(ctx context.Context, folderID int64, end storage.ScanEnd) error {
	return s.transact(ctx, "recording the end of a scan", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE folders SET present = ($2 = ''), problem = nullif($2, ''),
				scanned_at = CASE $2 WHEN '' THEN now() ELSE scanned_at END,
				file_system = CASE $2 WHEN '' THEN nullif($3, '') ELSE file_system END
			WHERE id = $1`, folderID, clean(end.Problem), end.FileSystem)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("folder %d: %w", folderID, storage.ErrUnknownFolder)
		}
		_, err = tx.Exec(ctx, `SELECT fold_counts()`)
		return err
	})
}
