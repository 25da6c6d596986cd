package postgres

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// failuresPage is how many failures are read with a statement.
const failuresPage = 1000

// Failures streams present files that failed or are unsupported, folder by
// folder in byte order of their paths. Like KnownFiles it reads page by page.
func (s *Store) Failures(ctx context.Context, folderIDs []int64) iter.Seq2[storage.FailedFile, error] {
	return func(yield func(storage.FailedFile, error) bool) {
		folders, err := s.Folders(ctx)
		if err != nil {
			yield(storage.FailedFile{}, err)
			return
		}
		for _, folder := range folders {
			if folderIDs != nil && !slices.Contains(folderIDs, folder.ID) {
				continue
			}
			if !s.failuresOf(ctx, folder, "", yield) {
				return
			}
		}
	}
}

// FailuresAfter returns the first n of what Failures streams behind a place.
func (s *Store) FailuresAfter(ctx context.Context, place storage.FailurePlace, n int) (found []storage.FailedFile, err error) {
	folders, err := s.Folders(ctx)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		after := ""
		switch {
		case folder.Path < place.Folder:
			continue
		case folder.Path == place.Folder:
			after = place.Path
		}
		more := s.failuresOf(ctx, folder, after, func(f storage.FailedFile, failed error) bool {
			if err = failed; err == nil {
				found = append(found, f)
			}
			return err == nil && len(found) < n
		})
		if !more {
			break
		}
	}
	return found, err
}

// failuresOf yields the failures of a folder behind a path and reports whether
// to go on.
func (s *Store) failuresOf(ctx context.Context, folder storage.Folder, path string, yield func(storage.FailedFile, error) bool) bool {
	after := []byte(path)
	for {
		page, err := query(ctx, s, "listing failures", scanFailure, `
			SELECT f.path, `+absolutePath+`, f.state, f.error_code, f.error_text, f.failed_at, f.attempts, f.retry_after
			FROM files f JOIN folders d ON d.id = f.folder_id
			WHERE f.folder_id = $1 AND f.state IN ('failed', 'unsupported') AND f.present
				AND (substring(f.path FROM 1 FOR 2000), f.path) > (substring($2::bytea FROM 1 FOR 2000), $2)
			ORDER BY substring(f.path FROM 1 FOR 2000), f.path
			LIMIT $3`, folder.ID, after, failuresPage)
		if err != nil {
			yield(storage.FailedFile{}, err)
			return false
		}
		for _, f := range page {
			f.Place = storage.FailurePlace{Folder: folder.Path, Path: string(f.relative)}
			if !yield(f.FailedFile, nil) {
				return false
			}
		}
		if len(page) < failuresPage {
			return true
		}
		after = page[len(page)-1].relative
	}
}

// failure is a failed file and its path below its folder.
type failure struct {
	storage.FailedFile
	relative []byte
}

func scanFailure(row pgx.CollectableRow) (failure, error) {
	var f failure
	var path []byte
	var retry *time.Time
	err := row.Scan(&f.relative, &path, &f.State, &f.Code, &f.Text, &f.Since, &f.Attempts, &retry)
	f.Path = string(path)
	if retry != nil {
		f.RetryAt = *retry
	}
	return f, err
}

// RetryFailures makes the files that Failures lists pending again: those at or
// below the absolute paths, or all for nil. One that fails again keeps the time
// of its first failure.
func (s *Store) RetryFailures(ctx context.Context, paths []string) (int, error) {
	var prefixes [][]byte
	for _, path := range paths {
		prefixes = append(prefixes, []byte(path))
	}
	tag, err := s.pool.Exec(ctx, `
		WITH again AS (
			SELECT f.id FROM files f JOIN folders d ON d.id = f.folder_id
			WHERE f.state IN ('failed', 'unsupported') AND f.present AND ($1 OR EXISTS (
				SELECT 1 FROM unnest($2::bytea[]) AS asked (path)
				WHERE `+absolutePath+` = asked.path
					OR substring(`+absolutePath+` FROM 1 FOR length(asked.path) + 1) = asked.path || '/'::bytea))
			ORDER BY f.id
			FOR UPDATE OF f)
		UPDATE files f SET state = 'pending', attempts = 0,
			error_code = NULL, error_text = NULL, decoder_version = NULL, retry_after = NULL
		FROM again WHERE f.id = again.id`, paths == nil, prefixes)
	return int(tag.RowsAffected()), s.failed("retrying failures", err)
}

// reasons counts the failed and unsupported files by reason, the most first.
func (s *Store) reasons(ctx context.Context) ([]storage.Reason, error) {
	return query(ctx, s, "counting failures", pgx.RowToStructByPos[storage.Reason], `
		SELECT state, error_code, sum(n)::bigint, coalesce(sum(n) FILTER (WHERE retry), 0)::bigint
		FROM file_counts
		WHERE present AND state IN ('failed', 'unsupported')
		GROUP BY 1, 2 HAVING sum(n) > 0
		ORDER BY 3 DESC, 1, 2`)
}

// recaptionPage is how many files Recaption looks at in a transaction.
const recaptionPage = 5000

// Recaption queues the first file of each photo that one of the other models
// captioned or saw something in, or in which nothing was seen yet. It goes
// through all files, in pages of a transaction each: interrupted, it has queued
// a part, and called again it queues the rest.
func (s *Store) Recaption(ctx context.Context, model string, olderOnly bool) (int, error) {
	const doing = "queueing photos for new captions"
	others, err := query(ctx, s, doing, pgx.RowTo[int32], `
		SELECT id FROM models
		WHERE hash <> $1 AND (NOT $2 OR first_seen < (SELECT first_seen FROM models WHERE hash = $1))`, model, olderOnly)
	if err != nil {
		return 0, err
	}
	queued, last := 0, int64(0)
	for {
		var end *int64
		err := s.pool.QueryRow(ctx, `
			SELECT max(id) FROM (SELECT id FROM files WHERE id > $1 ORDER BY id LIMIT $2) AS page`,
			last, recaptionPage).Scan(&end)
		if err != nil || end == nil {
			return queued, s.failed(doing, err)
		}
		tag, err := s.pool.Exec(ctx, `
			WITH wanted AS (
				SELECT f.id FROM files f JOIN photos p ON p.id = f.photo_id LEFT JOIN seen s ON s.photo_id = p.id
				WHERE f.id > $1 AND f.id <= $2 AND f.state = 'done' AND f.present AND p.caption IS NOT NULL
					AND (s.model_id IS NULL OR s.model_id = ANY ($3)
						OR p.model_id = ANY ($3) AND NOT p.caption_edited)
					AND NOT EXISTS (
						SELECT 1 FROM files copy
						WHERE copy.photo_id = f.photo_id AND copy.id <> f.id AND copy.present
							AND (copy.recaption OR copy.state = 'done' AND copy.id < f.id))
				ORDER BY f.id
				FOR UPDATE OF f)
			UPDATE files f SET state = 'pending', recaption = true, attempts = 0 FROM wanted WHERE f.id = wanted.id`,
			last, *end, others)
		if err != nil {
			return queued, s.failed(fmt.Sprintf("%s, %d of them so far", doing, queued), err)
		}
		queued += int(tag.RowsAffected())
		last = *end
	}
}
