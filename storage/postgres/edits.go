package postgres

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// EditCaption makes text the caption of a photo, written by a person. What the
// model had written is kept for UndoEdit; a second edit keeps the same.
func (s *Store) EditCaption(ctx context.Context, id storage.PhotoID, text string) error {
	return s.transact(ctx, "editing the caption of "+id.String(), func(tx pgx.Tx) error {
		if err := lockPhoto(ctx, tx, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO edits (photo_id, model_caption, caption_score, caption_unsure)
			SELECT id, caption, caption_score, caption_unsure FROM photos WHERE id = $1
			ON CONFLICT (photo_id) DO UPDATE SET edited_at = now()`, id[:])
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE photos SET caption = $2, caption_score = 0, caption_unsure = false, caption_edited = true
			WHERE id = $1`, id[:], clean(text))
		return err
	})
}

// UndoEdit gives a photo back the caption that the model had written. Where
// none is known, because the edit came with the same pixels of another file,
// the photo's files are put back in the queue.
func (s *Store) UndoEdit(ctx context.Context, id storage.PhotoID) error {
	return s.transact(ctx, "undoing the edit of "+id.String(), func(tx pgx.Tx) error {
		// The files first, as all transactions lock.
		_, err := tx.Exec(ctx, `SELECT id FROM files WHERE photo_id = $1 ORDER BY id FOR UPDATE`, id[:])
		if err != nil {
			return err
		}
		if err := lockPhoto(ctx, tx, id); err != nil {
			return err
		}
		for _, statement := range []string{
			`UPDATE photos p SET caption = e.model_caption, caption_score = e.caption_score,
				caption_unsure = e.caption_unsure, caption_edited = false
			FROM edits e WHERE p.id = $1 AND e.photo_id = p.id`,
			`DELETE FROM edits WHERE photo_id = $1`,
			`UPDATE files f SET state = 'pending', attempts = 0
			FROM photos p WHERE f.photo_id = $1 AND f.state = 'done' AND p.id = f.photo_id AND p.caption IS NULL`,
		} {
			if _, err := tx.Exec(ctx, statement, id[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

func lockPhoto(ctx context.Context, tx pgx.Tx, id storage.PhotoID) error {
	tag, err := tx.Exec(ctx, `SELECT 1 FROM photos WHERE id = $1 FOR NO KEY UPDATE`, id[:])
	if err == nil && tag.RowsAffected() == 0 {
		err = storage.ErrUnknownPhoto
	}
	return err
}

// editPage is how many edits are read with a statement.
const editPage = 1000

// Edits streams the captions that people wrote, by photo.
func (s *Store) Edits(ctx context.Context) iter.Seq2[storage.Edit, error] {
	return paged(editPage, func(after storage.PhotoID) ([]storage.Edit, error) {
		return query(ctx, s, "reading the edits", scanEdit, `
			SELECT e.photo_id, coalesce(p.caption, ''), e.edited_at, ARRAY(
				SELECT DISTINCT `+absolutePath+` AS absolute
				FROM files f JOIN folders d ON d.id = f.folder_id
				WHERE f.photo_id = e.photo_id
				ORDER BY absolute)
			FROM edits e JOIN photos p ON p.id = e.photo_id
			WHERE e.photo_id > $1 ORDER BY e.photo_id LIMIT $2`, after[:], editPage)
	}, func(e storage.Edit) storage.PhotoID { return e.Photo })
}

func scanEdit(row pgx.CollectableRow) (storage.Edit, error) {
	var e storage.Edit
	var paths [][]byte
	err := row.Scan((*sum)(&e.Photo), &e.Caption, &e.At, &paths)
	for _, path := range paths {
		e.Paths = append(e.Paths, string(path))
	}
	return e, err
}
