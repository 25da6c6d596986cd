package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// Commit stores results in one transaction and ends their leases. A result
// counts while owner's lease stands in the database, even past its end if
// nobody else took the file, and while the file is as it was when claimed:
// ApplyScan takes the lease of a changed one. The file of a result that only
// names a photo, when that photo has no caption after all, and a missing file
// that could not be read become pending and are not counted. A result that a
// commit before has stored, whose answer was lost, counts again.
func (s *Store) Commit(ctx context.Context, owner storage.Owner, results []storage.Result) (committed int, err error) {
	for _, r := range results {
		if err := check(r); err != nil {
			return 0, err
		}
	}
	err = s.transact(ctx, fmt.Sprintf("committing %d results", len(results)), func(tx pgx.Tx) error {
		held, settled, err := lockHeld(ctx, tx, owner, results)
		if err != nil {
			return err
		}
		committed = settled
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
		if err := outcomes.write(ctx, tx); err != nil || committed == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO recent_work (owner, files) VALUES ($1, $2)`, owner.String(), committed)
		return err
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
	case r.Failure != nil && r.Failure.RetryIn != 0 && r.Failure.State != storage.Failed:
		return fmt.Errorf("result of %q: only a failed file is tried again by itself", r.Claim.Path)
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
	// recaption says that the photo is to get a new caption. Until there is
	// one, whatever goes wrong, the file shows the photo as it is.
	recaption bool
}

// lockHeld locks the files of results that owner still holds, and counts those
// of the others that stand in the database already.
func lockHeld(ctx context.Context, tx pgx.Tx, owner storage.Owner, results []storage.Result) (held []heldResult, settled int, err error) {
	var ids, sizes, modTimes []int64
	var sidecars sidecarColumns
	byFile := make(map[int64]storage.Result, len(results))
	for _, r := range results {
		if _, again := byFile[r.Claim.FileID]; again {
			continue
		}
		byFile[r.Claim.FileID] = r
		ids = append(ids, r.Claim.FileID)
		sizes, modTimes = append(sizes, r.Claim.Size), append(modTimes, r.Claim.ModTime)
		sidecars.add(r.Claim.Sidecar)
	}
	rows, err := tx.Query(ctx, `
		SELECT f.id, f.photo_id, f.present, f.state, coalesce(f.error_code, ''),
			coalesce(f.lease_owner = $1, false), f.recaption
		FROM files f JOIN unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			AS c (id, size, mtime_ns, sidecar_size, sidecar_mtime_ns) USING (id, size, mtime_ns)
		WHERE (f.sidecar_size, f.sidecar_mtime_ns) IS NOT DISTINCT FROM (c.sidecar_size, c.sidecar_mtime_ns)
		ORDER BY f.id
		FOR UPDATE OF f`, owner.String(), ids, sizes, modTimes, sidecars.sizes, sidecars.modTimes)
	if err != nil {
		return nil, 0, err
	}
	var id int64
	var photo []byte
	var present, ours, recaption bool
	var state storage.FileState
	var code string
	_, err = pgx.ForEachRow(rows, []any{&id, &photo, &present, &state, &code, &ours, &recaption}, func() error {
		r := byFile[id]
		switch {
		case ours:
			held = append(held, heldResult{r, slices.Clone(photo), present, recaption})
		case r.Failure != nil && r.Failure.State == state && clean(r.Failure.Code) == code,
			r.Failure == nil && state == storage.Done && bytes.Equal(photo, r.PhotoID[:]):
			settled++
		}
		return nil
	})
	return held, settled, err
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
	var again [][]byte // photos that get a new caption
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
			if h.recaption {
				again = append(again, h.PhotoID[:])
			}
		}
	}
	models, err := modelsOf(ctx, tx, fresh)
	if err != nil {
		return nil, err
	}
	var rows photoColumns
	for _, p := range fresh {
		rows.add(p, orNull(models[p.Model]))
	}
	// New rows first, in order, then the locks of all rows, in order: whoever
	// waits here waits for a transaction that is further on.
	_, err = tx.Exec(ctx, `
		INSERT INTO photos (id, pixels, format, width, height, damaged,
			taken_clock, taken_offset, make, camera, lens, exposure_time, f_number, iso, focal_length, lat, lon,
			title, description, keywords, people, rating,
			caption, caption_score, caption_unsure, caption_edited, model_id)
		SELECT r.* FROM `+photoRows+` ORDER BY r.id
		ON CONFLICT (id) DO NOTHING`, rows.args()...)
	if err != nil {
		return nil, err
	}
	uncaptioned, err := lockPhotos(ctx, tx, touched, known)
	if err != nil {
		return known, err
	}
	if again = append(again, uncaptioned...); len(again) > 0 {
		if err := rewritePhotos(ctx, tx, rows, again); err != nil {
			return known, err
		}
	}
	if err := keepSeen(ctx, tx, fresh, models, again); err != nil {
		return known, err
	}
	return known, noteEdits(ctx, tx, rows)
}

// rewritePhotos gives those of the photos that are named again the new caption,
// unless a person wrote theirs, and what people wrote into the file: an older
// shoebox did not read it.
func rewritePhotos(ctx context.Context, tx pgx.Tx, photos photoColumns, again [][]byte) error {
	args := append(photos.args(), again)
	named := `p.id = r.id AND p.id = ANY ($` + strconv.Itoa(len(args)) + `)`
	for _, statement := range []string{
		`UPDATE photos p SET caption = r.caption, caption_score = r.caption_score,
			caption_unsure = r.caption_unsure, caption_edited = r.caption_edited, model_id = r.model_id
		FROM ` + photoRows + ` WHERE NOT p.caption_edited AND ` + named,
		`UPDATE photos p SET title = r.title, description = r.description,
			keywords = r.keywords, people = r.people, rating = r.rating
		FROM ` + photoRows + ` WHERE ` + named + `
			AND (p.title, p.description, p.keywords, p.people, p.rating)
				IS DISTINCT FROM (r.title, r.description, r.keywords, r.people, r.rating)`,
	} {
		if _, err := tx.Exec(ctx, statement, args...); err != nil {
			return err
		}
	}
	return nil
}

// noteEdits records which of the new photos took over a caption that a person
// had written for the same pixels.
func noteEdits(ctx context.Context, tx pgx.Tx, photos photoColumns) error {
	if !slices.Contains(photos.edited, true) {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO edits (photo_id)
		SELECT id FROM photos WHERE id = ANY ($1) AND caption_edited ORDER BY id
		ON CONFLICT DO NOTHING`, photos.id)
	return err
}

// lockPhotos locks photos in order and adds the captioned ones to known. It
// returns those that have no caption.
func lockPhotos(ctx context.Context, tx pgx.Tx, ids [][]byte, known map[storage.PhotoID]bool) (uncaptioned [][]byte, err error) {
	rows, err := tx.Query(ctx, `
		SELECT id, caption IS NOT NULL FROM photos WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE`, ids)
	if err != nil {
		return nil, err
	}
	var id storage.PhotoID
	var has bool
	_, err = pgx.ForEachRow(rows, []any{(*sum)(&id), &has}, func() error {
		if has {
			known[id] = true
		} else {
			uncaptioned = append(uncaptioned, slices.Clone(id[:]))
		}
		return nil
	})
	return uncaptioned, err
}

// modelsOf returns the ids of the models that wrote captions or saw something
// in photos, by hash.
func modelsOf(ctx context.Context, tx pgx.Tx, photos []*storage.Photo) (map[string]int32, error) {
	models := make(map[string]int32)
	for _, p := range photos {
		for _, hash := range []string{p.Model, p.Seen.Model} {
			if _, asked := models[hash]; asked || hash == "" {
				continue
			}
			rows, err := tx.Query(ctx, `SELECT id FROM models WHERE hash = $1`, hash)
			if err != nil {
				return nil, err
			}
			if models[hash], err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int32]); err != nil {
				return nil, fmt.Errorf("model %q of photo %s is not recorded: %w", hash, p.ID, err)
			}
		}
	}
	return models, nil
}

// outcomeColumns are what becomes of files, as arrays for unnest.
type outcomeColumns struct {
	ids      []int64
	states   []string
	photos   [][]byte
	codes    []*string
	texts    []*string
	decoders []*int
	retries  []*time.Duration
	suspects []bool
	sidecars []*string // JSON
}

// add reports whether the file is settled, rather than pending again.
func (c *outcomeColumns) add(h heldResult, known map[storage.PhotoID]bool) bool {
	state, photo := storage.Pending, h.photo
	var code, text *string
	var decoder *int
	var retry *time.Duration
	switch {
	case h.Failure == nil && known[h.PhotoID]:
		state, photo = storage.Done, h.PhotoID[:]
	case h.Failure != nil && h.present && h.recaption && h.photo != nil:
		state = storage.Done
	case h.Failure != nil && h.present:
		state, photo = h.Failure.State, nil
		code, text = new(clean(h.Failure.Code)), new(clean(h.Failure.Text))
		decoder = orNull(h.Failure.DecoderVersion)
		retry = orNull(h.Failure.RetryIn)
	}
	c.ids, c.states = append(c.ids, h.Claim.FileID), append(c.states, string(state))
	c.photos = append(c.photos, photo)
	c.codes, c.texts, c.decoders = append(c.codes, code), append(c.texts, text), append(c.decoders, decoder)
	c.retries = append(c.retries, retry)
	c.suspects = append(c.suspects, state == storage.Failed && h.Failure.Suspect)
	c.sidecars = append(c.sidecars, sidecarJSON(h.Sidecar))
	return state != storage.Pending
}

func (c *outcomeColumns) write(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		UPDATE files f SET
			state = r.state, photo_id = r.photo_id, lease_owner = NULL, lease_ends = NULL,
			error_code = r.code, error_text = r.text, decoder_version = r.decoder,
			failed_at = CASE r.state WHEN 'done' THEN NULL WHEN 'pending' THEN f.failed_at
				ELSE coalesce(f.failed_at, now()) END,
			retry_after = now() + r.retry, suspect = CASE r.state WHEN 'pending' THEN f.suspect ELSE r.suspect END,
			recaption = r.state = 'pending' AND f.recaption, sidecar = r.sidecar, only_sidecar = false
		FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::integer[], $7::interval[], $8::boolean[],
				$9::jsonb[])
			AS r (id, state, photo_id, code, text, decoder, retry, suspect, sidecar)
		WHERE f.id = r.id`, c.ids, c.states, c.photos, c.codes, c.texts, c.decoders, c.retries, c.suspects, c.sidecars)
	return err
}
