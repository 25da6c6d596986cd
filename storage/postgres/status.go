package postgres

import (
	"context"
	"slices"
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
		Retry   bool
		N       int
	}
	rows, err := query(ctx, s, "counting files", pgx.RowToStructByPos[row],
		`SELECT folder_id, state, present, retry, sum(n)::bigint FROM file_counts GROUP BY 1, 2, 3, 4`)
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
			if r.Retry {
				c.Retrying += r.N
			}
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
	total.Retrying += c.Retrying
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
	if status.Reasons, err = s.reasons(ctx); err != nil {
		return status, err
	}
	if status.Workers, err = s.workers(ctx); err != nil {
		return status, err
	}
	if status.PausedSince, err = s.Paused(ctx); err != nil {
		return status, err
	}
	err = s.pool.QueryRow(ctx, `
		SELECT coalesce(sum(n), 0)::bigint, coalesce(sum(n) FILTER (WHERE unsure AND NOT edited), 0)::bigint,
			coalesce(sum(n) FILTER (WHERE edited), 0)::bigint
		FROM photo_counts`).Scan(&status.Photos, &status.Unsure, &status.Edited)
	return status, s.failed("counting photos", err)
}

// workers lists who holds leases and who finished something in the last minute.
func (s *Store) workers(ctx context.Context) ([]storage.WorkerStatus, error) {
	leases, err := s.Leases(ctx)
	if err != nil {
		return nil, err
	}
	var workers []storage.WorkerStatus
	for _, lease := range leases {
		workers = append(workers, storage.WorkerStatus{Lease: lease})
	}
	// A worker that began less than a minute ago is not measured by a minute.
	type row struct {
		Owner     string
		PerSecond float64
	}
	rates, err := query(ctx, s, "measuring the workers", pgx.RowToStructByPos[row], `
		SELECT owner, (sum(files) / least(60, greatest(5, extract(epoch FROM clock_timestamp() - min(at)))))::float8
		FROM recent_work WHERE at > now() - interval '1 minute' GROUP BY owner ORDER BY owner`)
	if err != nil {
		return nil, err
	}
	for _, rate := range rates {
		owner, err := parseOwner(rate.Owner)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(workers, func(w storage.WorkerStatus) bool { return w.Owner == owner })
		if i < 0 {
			i = len(workers)
			workers = append(workers, storage.WorkerStatus{Lease: storage.Lease{Owner: owner}})
		}
		workers[i].PerSecond = rate.PerSecond
	}
	return workers, nil
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
			SELECT model_id, sum(n)::bigint AS captions FROM photo_counts
			WHERE NOT edited GROUP BY model_id) AS c ON c.model_id = m.id
		ORDER BY m.first_seen DESC, m.id DESC`)
}
