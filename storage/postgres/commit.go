package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// Commit stores results in one transaction and ends their leases. A result
// counts while owner's lease stands in the database, even past its end if
// nobody else took the file, and while the file is as it was when claimed:
// ApplyScan takes the lease of a changed one. The file of a result that only
// names a photo, when that photo has no caption after all, and a missing file
// that could not be read become pending and are not counted.
func (s *Store) Commit(ctx context.Context, owner storage.Owner, results []storage.Result) (committed int, err error) {
	for _, r := range results {
		if err := check(r); err != nil {
			return 0, err
		}
	}
	err = s.transact(ctx, fmt.Sprintf("committing %d results", len(results)), func(tx pgx.Tx) error {
		held, err := lockHeld(ctx, tx, owner, results)
		if err != nil {
			return err
		}
		known, err := keepPhotos(ctx, tx, held, results)
		if err != nil {
			return err
		}
		var outcomes outcomeColumns
		for _, h := range held {
			if outcomes.add(h, known) {
				committed++
			}
		}
		return outcomes.write(ctx, tx)
	})
	if err != nil {
		return 0, err
	}
	return committed, nil
}

// check refuses what no transaction could store.
func check(r storage.Result) error {
	switch {
	case r.Photo != nil && r.Photo.ID != r.PhotoID:
		return fmt.Errorf("result of %q: photo %s where %s was read", r.Claim.Path, r.Photo.ID, r.PhotoID)
	case r.Failure != nil && r.Failure.State != storage.Failed && r.Failure.State != storage.Unsupported:
		return fmt.Errorf("result of %q: a failure cannot be in state %q", r.Claim.Path, r.Failure.State)
	case r.Failure == nil && r.PhotoID == storage.PhotoID{}:
		return fmt.Errorf("result of %q: neither photo nor failure", r.Claim.Path)
	}
	return nil
}

// heldResult is a result whose claim still holds, and its row, which is locked.
type heldResult struct {
	storage.Result
	photo   []byte // that the file was linked to before; nil: none
	present bool
}

func lockHeld(ctx context.Context, tx pgx.Tx, owner storage.Owner, results []storage.Result) ([]heldResult, error) {
	var ids, sizes, modTimes []int64
	byFile := make(map[int64]storage.Result, len(results))
	for _, r := range results {
		if _, again := byFile[r.Claim.FileID]; again {
			continue
		}
		byFile[r.Claim.FileID] = r
		ids = append(ids, r.Claim.FileID)
		sizes, modTimes = append(sizes, r.Claim.Size), append(modTimes, r.Claim.ModTime)
	}
	rows, err := tx.Query(ctx, `
		SELECT f.id, f.photo_id, f.present
		FROM files f JOIN unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS c (id, size, mtime_ns)
			USING (id, size, mtime_ns)
		WHERE f.state = 'leased' AND f.lease_owner = $1
		ORDER BY f.id
		FOR UPDATE OF f`, owner.String(), ids, sizes, modTimes)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (heldResult, error) {
		var h heldResult
		var id int64
		err := row.Scan(&id, &h.photo, &h.present)
		h.Result = byFile[id]
		return h, err
	})
}

// keepPhotos stores the new photos of held results, locks all photos that
// they gain or lose, and returns those that have a caption or got their row
// just now. A held result may name a photo whose content came with another
// file, even one whose lease is lost.
func keepPhotos(ctx context.Context, tx pgx.Tx, held []heldResult, results []storage.Result) (map[storage.PhotoID]bool, error) {
	content := make(map[storage.PhotoID]*storage.Photo)
	for _, r := range results {
		if r.Photo != nil && r.Failure == nil {
			content[r.PhotoID] = r.Photo
		}
	}
	known := make(map[storage.PhotoID]bool)
	var touched [][]byte
	var fresh []*storage.Photo
	for _, h := range held {
		if h.photo != nil {
			touched = append(touched, h.photo)
		}
		if h.Failure != nil {
			continue
		}
		touched = append(touched, h.PhotoID[:])
		if p := content[h.PhotoID]; p != nil && !known[h.PhotoID] {
			known[h.PhotoID] = true
			fresh = append(fresh, p)
		}
	}
	rows, err := columnsOfPhotos(ctx, tx, fresh)
	if err != nil {
		return nil, err
	}
	// New rows first, in order, then the locks of all rows, in order: whoever
	// waits here waits for a transaction that is further on.
	_, err = tx.Exec(ctx, `
		INSERT INTO photos (id, pixels, format, width, height, damaged,
			taken_clock, taken_offset, make, camera, lens, exposure_time, f_number, iso, focal_length, lat, lon,
			caption, caption_score, caption_unsure, caption_edited, model_id)
		SELECT r.* FROM `+photoRows+` ORDER BY r.id
		ON CONFLICT (id) DO NOTHING`, rows.args()...)
	if err != nil {
		return nil, err
	}
	uncaptioned, err := lockPhotos(ctx, tx, touched, known)
	if err != nil || !uncaptioned {
		return known, err
	}
	_, err = tx.Exec(ctx, `
		UPDATE photos p SET caption = r.caption, caption_score = r.caption_score,
			caption_unsure = r.caption_unsure, caption_edited = r.caption_edited, model_id = r.model_id
		FROM `+photoRows+` WHERE p.id = r.id AND p.caption IS NULL`, rows.args()...)
	return known, err
}

// lockPhotos locks photos in order and adds the captioned ones to known. It
// reports whether any has no caption.
func lockPhotos(ctx context.Context, tx pgx.Tx, ids [][]byte, known map[storage.PhotoID]bool) (uncaptioned bool, err error) {
	rows, err := tx.Query(ctx, `
		SELECT id, caption IS NOT NULL FROM photos WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE`, ids)
	if err != nil {
		return false, err
	}
	var id storage.PhotoID
	var has bool
	_, err = pgx.ForEachRow(rows, []any{(*sum)(&id), &has}, func() error {
		if has {
			known[id] = true
		} else {
			uncaptioned = true
		}
		return nil
	})
	return uncaptioned, err
}

// columnsOfPhotos puts photos into columns, with their models' ids.
func columnsOfPhotos(ctx context.Context, tx pgx.Tx, photos []*storage.Photo) (photoColumns, error) {
	models := make(map[string]*int32)
	for _, p := range photos {
		if _, asked := models[p.Model]; asked || p.Model == "" {
			continue
		}
		rows, err := tx.Query(ctx, `SELECT id FROM models WHERE hash = $1`, p.Model)
		if err != nil {
			return photoColumns{}, err
		}
		id, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int32])
		if err != nil {
			return photoColumns{}, fmt.Errorf("model %q of photo %s is not recorded: %w", p.Model, p.ID, err)
		}
		models[p.Model] = &id
	}
	var columns photoColumns
	for _, p := range photos {
		columns.add(p, models[p.Model])
	}
	return columns, nil
}

// outcomeColumns are what becomes of files, as arrays for unnest.
type outcomeColumns struct {
	ids      []int64
	states   []string
	photos   [][]byte
	codes    []*string
	texts    []*string
	decoders []*int
}

// add reports whether the file is settled, rather than pending again.
func (c *outcomeColumns) add(h heldResult, known map[storage.PhotoID]bool) bool {
	state, photo := storage.Pending, h.photo
	var code, text *string
	var decoder *int
	switch {
	case h.Failure == nil && known[h.PhotoID]:
		state, photo = storage.Done, h.PhotoID[:]
	case h.Failure != nil && h.present:
		state, photo = h.Failure.State, nil
		code, text = new(clean(h.Failure.Code)), new(clean(h.Failure.Text))
		decoder = orNull(h.Failure.DecoderVersion)
	}
	c.ids, c.states = append(c.ids, h.Claim.FileID), append(c.states, string(state))
	c.photos = append(c.photos, photo)
	c.codes, c.texts, c.decoders = append(c.codes, code), append(c.texts, text), append(c.decoders, decoder)
	return state != storage.Pending
}

func (c *outcomeColumns) write(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		UPDATE files f SET
			state = r.state, photo_id = r.photo_id, lease_owner = NULL, lease_ends = NULL,
			error_code = r.code, error_text = r.text, decoder_version = r.decoder,
			failed_at = CASE r.state WHEN 'done' THEN NULL WHEN 'pending' THEN f.failed_at
				ELSE coalesce(f.failed_at, now()) END
		FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::integer[])
			AS r (id, state, photo_id, code, text, decoder)
		WHERE f.id = r.id`, c.ids, c.states, c.photos, c.codes, c.texts, c.decoders)
	return err
}
