package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// Claim leases up to n files of the folders to owner: those that are pending
// and those on which another's lease has ended, the folder added first before
// the next, in the order in which the files were found, and then failed ones
// that are due. What owner holds it still has in hand, even if its leases ended
// while the database was away.
// Files that another transaction is claiming are passed over. The database's
// clock says when a lease ends, so that machines need not agree. While a person
// has paused the work there is nothing to claim, which Postgres finds out
// before it looks at a file.
func (s *Store) Claim(ctx context.Context, owner storage.Owner, folderIDs []int64, n int, ttl time.Duration) ([]storage.Claim, error) {
	claims, err := query(ctx, s, "claiming files", scanClaim, `
		WITH waiting AS (
			SELECT id FROM files
			WHERE (SELECT paused_at IS NULL FROM meta) AND folder_id = ANY ($1) AND present AND state IN ('pending', 'leased')
				AND (state = 'pending' OR lease_ends <= now() AND lease_owner <> $3)
			ORDER BY folder_id, id
			LIMIT $2
			FOR UPDATE SKIP LOCKED),
		due AS (
			SELECT id FROM files
			WHERE (SELECT paused_at IS NULL FROM meta) AND folder_id = ANY ($1) AND present AND state = 'failed' AND retry_after <= now()
			ORDER BY folder_id, retry_after
			LIMIT $2 - (SELECT count(*) FROM waiting)
			FOR UPDATE SKIP LOCKED),
		next AS (SELECT id FROM waiting UNION ALL SELECT id FROM due)
		UPDATE files f SET state = 'leased', lease_owner = $3, lease_ends = now() + $4,
			attempts = attempts + (f.state <> 'leased')::integer,
			suspect = suspect OR f.state = 'leased', error_code = NULL, error_text = NULL, retry_after = NULL
		FROM next, folders d
		WHERE f.id = next.id AND d.id = f.folder_id
		RETURNING f.id, f.folder_id, d.path, f.path, f.size, f.mtime_ns, f.attempts, f.suspect, f.recaption,
			coalesce(f.sidecar_size, 0), coalesce(f.sidecar_mtime_ns, 0), CASE WHEN f.only_sidecar THEN f.photo_id END`,
		folderIDs, n, owner.String(), ttl)
	// RETURNING promises no order.
	slices.SortFunc(claims, func(a, b storage.Claim) int {
		return cmp.Or(cmp.Compare(a.FolderID, b.FolderID), cmp.Compare(a.FileID, b.FileID))
	})
	return claims, err
}

func scanClaim(row pgx.CollectableRow) (storage.Claim, error) {
	var c storage.Claim
	var folder, path, known []byte
	err := row.Scan(&c.FileID, &c.FolderID, &folder, &path, &c.Size, &c.ModTime, &c.Attempts, &c.Suspect, &c.Recaption,
		&c.Sidecar.Size, &c.Sidecar.ModTime, &known)
	c.FolderPath, c.Path = string(folder), string(path)
	copy(c.Known[:], known)
	return c, err
}

// SetPaused has Claim give nothing, or go on. The first pause counts.
func (s *Store) SetPaused(ctx context.Context, paused bool) error {
	_, err := s.pool.Exec(ctx, `UPDATE meta SET paused_at = CASE WHEN $1 THEN coalesce(paused_at, now()) END`, paused)
	return s.failed("pausing or resuming", err)
}

// Paused returns since when Claim has given nothing.
func (s *Store) Paused(ctx context.Context) (time.Time, error) {
	var since *time.Time
	err := s.pool.QueryRow(ctx, `SELECT paused_at FROM meta`).Scan(&since)
	if err != nil || since == nil {
		return time.Time{}, s.failed("asking whether the work is paused", err)
	}
	return *since, nil
}

// NextRetry looks at the first failed file of each folder that is tried again
// by itself.
func (s *Store) NextRetry(ctx context.Context, folderIDs []int64) (time.Duration, bool, error) {
	var in *time.Duration
	err := s.pool.QueryRow(ctx, `
		SELECT min(first.retry_after) - now() FROM unnest($1::bigint[]) AS folder (id), LATERAL (
			SELECT retry_after FROM files
			WHERE folder_id = folder.id AND present AND state = 'failed' AND retry_after IS NOT NULL
			ORDER BY retry_after LIMIT 1) AS first`, folderIDs).Scan(&in)
	if err != nil || in == nil {
		return 0, false, s.failed("looking for files to try again", err)
	}
	return *in, true, nil
}

// ExtendLeases moves the end of all of owner's leases to ttl from now. A lease
// that has ended lives again unless another worker has taken the file.
func (s *Store) ExtendLeases(ctx context.Context, owner storage.Owner, ttl time.Duration) error {
	_, err := s.pool.Exec(ctx, `
		WITH held AS (
			SELECT id FROM files WHERE state = 'leased' AND lease_owner = $1 ORDER BY id FOR UPDATE)
		UPDATE files f SET lease_ends = now() + $2 FROM held WHERE f.id = held.id`,
		owner.String(), ttl)
	if err == nil {
		// Workers do this every half a minute: often enough that the sums of
		// the counts stay short between scans.
		_, err = s.pool.Exec(ctx, `SELECT fold_counts()`)
	}
	return s.failed("extending leases", err)
}

// Release gives claimed files back as pending, as if they had not been
// claimed. Those that owner does not hold are left alone.
func (s *Store) Release(ctx context.Context, owner storage.Owner, fileIDs []int64) error {
	_, err := s.pool.Exec(ctx, `
		WITH held AS (
			SELECT id FROM files WHERE state = 'leased' AND lease_owner = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE)
		UPDATE files f SET state = 'pending', lease_owner = NULL, lease_ends = NULL, attempts = attempts - 1
		FROM held WHERE f.id = held.id`,
		owner.String(), fileIDs)
	return s.failed("releasing files", err)
}

// ReleaseAll gives back everything that owner holds, as if it had not been
// claimed.
func (s *Store) ReleaseAll(ctx context.Context, owner storage.Owner) error {
	_, err := s.pool.Exec(ctx, `
		WITH held AS (
			SELECT id FROM files WHERE state = 'leased' AND lease_owner = $1 ORDER BY id FOR UPDATE)
		UPDATE files f SET state = 'pending', lease_owner = NULL, lease_ends = NULL, attempts = attempts - 1
		FROM held WHERE f.id = held.id`,
		owner.String())
	return s.failed("releasing files", err)
}

// TakeBack makes everything that a dead owner holds pending and suspect.
func (s *Store) TakeBack(ctx context.Context, owner storage.Owner) (int, error) {
	tag, err := s.pool.Exec(ctx, `
		WITH held AS (
			SELECT id FROM files WHERE state = 'leased' AND lease_owner = $1 ORDER BY id FOR UPDATE)
		UPDATE files f SET state = 'pending', lease_owner = NULL, lease_ends = NULL, suspect = true, attempts = attempts - 1
		FROM held WHERE f.id = held.id`,
		owner.String())
	return int(tag.RowsAffected()), s.failed("taking back the files of "+owner.String(), err)
}

// Leases lists who holds how many leases, ended ones too, by machine and
// process ID.
func (s *Store) Leases(ctx context.Context) ([]storage.Lease, error) {
	leases, err := query(ctx, s, "listing the leases", scanLease, `
		SELECT lease_owner, count(*), min(lease_ends) FROM files WHERE state = 'leased' GROUP BY lease_owner`)
	slices.SortFunc(leases, func(a, b storage.Lease) int {
		return cmp.Or(cmp.Compare(a.Owner.Machine, b.Owner.Machine),
			cmp.Compare(a.Owner.PID, b.Owner.PID), cmp.Compare(a.Owner.StartedAt, b.Owner.StartedAt))
	})
	return leases, err
}

func scanLease(row pgx.CollectableRow) (storage.Lease, error) {
	var l storage.Lease
	var name string
	if err := row.Scan(&name, &l.Files, &l.Ends); err != nil {
		return l, err
	}
	var err error
	l.Owner, err = parseOwner(name)
	return l, err
}

// parseOwner reads what Owner.String writes; a machine's name may hold slashes.
func parseOwner(name string) (storage.Owner, error) {
	var owner storage.Owner
	rest, started, ok1 := cutLast(name, "/")
	machine, pid, ok2 := cutLast(rest, "/")
	owner.Machine = machine
	var errPID, errStarted error
	owner.PID, errPID = strconv.Atoi(pid)
	owner.StartedAt, errStarted = strconv.ParseInt(started, 10, 64)
	if !ok1 || !ok2 || errPID != nil || errStarted != nil {
		return storage.Owner{}, fmt.Errorf("%q is not the owner of a lease", name)
	}
	return owner, nil
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}
