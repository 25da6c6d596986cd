package postgres

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// photoPage is how many photos Photos reads with a statement.
const photoPage = 1000

// Photos streams all photos that a present file shows, by ID, page by page: no
// transaction is open while the caller works.
func (s *Store) Photos(ctx context.Context) iter.Seq2[storage.Change, error] {
	all := paged(photoPage, func(after storage.PhotoID) ([]storage.Change, error) {
		return query(ctx, s, "reading the photos", scanShown, `
			SELECT `+selectedPhoto+`, `+presentFiles+`
			FROM `+photosAndSeen+`
			WHERE p.id > $1 ORDER BY p.id LIMIT $2`, after[:], photoPage)
	}, func(c storage.Change) storage.PhotoID { return c.Photo.ID })
	return func(yield func(storage.Change, error) bool) {
		for c, err := range all {
			if (err != nil || len(c.Paths) > 0) && !yield(c, err) {
				return
			}
		}
	}
}

// FilesByID returns those of the files that are known, in any order.
func (s *Store) FilesByID(ctx context.Context, ids []int64) ([]storage.KnownFile, error) {
	return query(ctx, s, "reading the known files", scanKnownFile,
		`SELECT `+knownFileColumns+` FROM files WHERE id = ANY ($1)`, ids)
}

// PhotosByID returns those of ids that a present file shows, by ID.
func (s *Store) PhotosByID(ctx context.Context, ids []storage.PhotoID) ([]storage.Change, error) {
	return query(ctx, s, "reading photos", scanShown, `
		SELECT `+selectedPhoto+`, `+presentFiles+`
		FROM `+photosAndSeen+`
		WHERE p.id = ANY ($1)
			AND EXISTS (SELECT 1 FROM files WHERE photo_id = p.id AND present)
		ORDER BY p.id`, hashes(ids))
}

// Shown returns those of ids that a present file shows.
func (s *Store) Shown(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error) {
	return s.among(ctx, "looking which photos are shown", `
		SELECT asked.id FROM unnest($1::bytea[]) AS asked (id),
			LATERAL (SELECT FROM files WHERE photo_id = asked.id AND present LIMIT 1) AS file`, ids)
}

// Restamp makes photos come through the change feed again.
func (s *Store) Restamp(ctx context.Context, ids []storage.PhotoID) error {
	_, err := s.pool.Exec(ctx, `
		WITH again AS (SELECT id FROM photos WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE)
		UPDATE photos p SET changed_in = pg_current_xact_id() FROM again WHERE p.id = again.id`, hashes(ids))
	return s.failed("sending photos through the change feed again", err)
}

func hashes(ids []storage.PhotoID) [][]byte {
	all := make([][]byte, len(ids))
	for i := range ids {
		all[i] = ids[i][:]
	}
	return all
}

func scanShown(row pgx.CollectableRow) (c storage.Change, err error) {
	var present [][]byte
	if c.Photo, err = scanPhoto(row, &present); err != nil {
		return c, err
	}
	return c, setFiles(&c, present)
}

// paged streams what is read in pages of n, by photo: read returns the page
// after a photo, and the zero one begins.
func paged[T any](n int, read func(after storage.PhotoID) ([]T, error), photo func(T) storage.PhotoID) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var after storage.PhotoID
		for {
			page, err := read(after)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
				after = photo(one)
			}
			if len(page) < n {
				return
			}
		}
	}
}
