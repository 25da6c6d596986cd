package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// CountFiles counts the folders' files by state; of all folders for nil. It
// reads sums that are kept, not the files.
func (s *Store) CountFiles(ctx context.Context, folderIDs []int64) (storage.Counts, error) {
	byFolder, err := s.counts(ctx)
	if err != nil {
		return storage.Counts{}, err
	}
	var total storage.Counts
	if folderIDs == nil {
		for _, c := range byFolder {
			add(&total, c)
		}
	}
	for _, id := range folderIDs {
		add(&total, byFolder[id])
	}
	return total, nil
}

// counts returns the counts of each folder that has files.
func (s *Store) counts(ctx context.Context) (map[int64]storage.Counts, error) {
	type row struct {
		Folder  int64
		State   storage.FileState
		Present bool
		N       int
	}
	rows, err := query(ctx, s, "counting files", pgx.RowToStructByPos[row],
		`SELECT folder_id, state, present, sum(n)::bigint FROM file_counts GROUP BY 1, 2, 3`)
	if err != nil {
		return nil, err
	}
	byFolder := make(map[int64]storage.Counts)
	for _, r := range rows {
		c := byFolder[r.Folder]
		switch {
		case !r.Present:
			c.Missing += r.N
		case r.State == storage.Pending:
			c.Pending += r.N
		case r.State == storage.Leased:
			c.Leased += r.N
		case r.State == storage.Done:
			c.Done += r.N
		case r.State == storage.Failed:
			c.Failed += r.N
		case r.State == storage.Unsupported:
			c.Unsupported += r.N
		}
		byFolder[r.Folder] = c
	}
	return byFolder, nil
}

func add(total *storage.Counts, c storage.Counts) {
	total.Pending += c.Pending
	total.Leased += c.Leased
	total.Done += c.Done
	total.Failed += c.Failed
	total.Unsupported += c.Unsupported
	total.Missing += c.Missing
}

// Status counts everything. A caption by a person is nobody's model's, and is
// not doubted.
func (s *Store) Status(ctx context.Context) (storage.Status, error) {
	var status storage.Status
	folders, err := s.Folders(ctx)
	if err != nil {
		return status, err
	}
	byFolder, err := s.counts(ctx)
	if err != nil {
		return status, err
	}
	for _, f := range folders {
		status.Folders = append(status.Folders, storage.FolderStatus{Folder: f, Counts: byFolder[f.ID]})
		add(&status.Total, byFolder[f.ID])
	}
	if status.Models, err = s.models(ctx); err != nil {
		return status, err
	}
	err = s.pool.QueryRow(ctx, `
		SELECT count(*), count(*) FILTER (WHERE caption_unsure AND NOT caption_edited)
		FROM photos WHERE caption IS NOT NULL`).Scan(&status.Photos, &status.Unsure)
	return status, s.failed("counting photos", err)
}

// models lists the recorded models, the newest first.
func (s *Store) models(ctx context.Context) ([]storage.ModelCount, error) {
	type row struct {
		Hash, Name string
		FirstSeen  time.Time
		Captions   int
	}
	return query(ctx, s, "counting captions by model", func(r pgx.CollectableRow) (storage.ModelCount, error) {
		m, err := pgx.RowToStructByPos[row](r)
		return storage.ModelCount(m), err
	}, `
		SELECT m.hash, m.name, m.first_seen, coalesce(c.captions, 0)
		FROM models m LEFT JOIN (
			SELECT model_id, count(*) AS captions FROM photos
			WHERE caption IS NOT NULL AND NOT caption_edited GROUP BY model_id) AS c ON c.model_id = m.id
		ORDER BY m.first_seen DESC, m.id DESC`)
}
