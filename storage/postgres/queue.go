package postgres

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// Claim leases up to n files of the folders to owner: those that are pending
// and those whose lease has ended, the folder added first before the next, in
// the order in which the files were found. Files that another transaction is claiming are passed over. The
// database's clock says when a lease ends, so that machines need not agree.
func (s *Store) Claim(ctx context.Context, owner storage.Owner, folderIDs []int64, n int, ttl time.Duration) ([]storage.Claim, error) {
	claims, err := query(ctx, s, "claiming files", scanClaim, `
		WITH next AS (
			SELECT id FROM files
			WHERE folder_id = ANY ($1) AND present AND state IN ('pending', 'leased')
				AND (state = 'pending' OR lease_ends <= now())
			ORDER BY folder_id, id
			LIMIT $2
			FOR UPDATE SKIP LOCKED)
		UPDATE files f SET state = 'leased', lease_owner = $3, lease_ends = now() + $4, attempts = attempts + 1
		FROM next, folders d
		WHERE f.id = next.id AND d.id = f.folder_id
		RETURNING f.id, f.folder_id, d.path, f.path, f.size, f.mtime_ns`,
		folderIDs, n, owner.String(), ttl)
	// RETURNING promises no order.
	slices.SortFunc(claims, func(a, b storage.Claim) int {
		return cmp.Or(cmp.Compare(a.FolderID, b.FolderID), cmp.Compare(a.FileID, b.FileID))
	})
	return claims, err
}

func scanClaim(row pgx.CollectableRow) (storage.Claim, error) {
	var c storage.Claim
	var folder, path []byte
	err := row.Scan(&c.FileID, &c.FolderID, &folder, &path, &c.Size, &c.ModTime)
	c.FolderPath, c.Path = string(folder), string(path)
	return c, err
}

// ExtendLeases moves the end of all of owner's leases to ttl from now. A lease
// that has ended lives again unless another worker has taken the file.
func (s *Store) ExtendLeases(ctx context.Context, owner storage.Owner, ttl time.Duration) error {
	_, err := s.pool.Exec(ctx, `
		WITH held AS (
			SELECT id FROM files WHERE state = 'leased' AND lease_owner = $1 ORDER BY id FOR UPDATE)
		UPDATE files f SET lease_ends = now() + $2 FROM held WHERE f.id = held.id`,
		owner.String(), ttl)
	return s.failed("extending leases", err)
}

// Release gives claimed files back as pending. Those that owner does not hold
// are left alone.
func (s *Store) Release(ctx context.Context, owner storage.Owner, fileIDs []int64) error {
	_, err := s.pool.Exec(ctx, `
		WITH held AS (
			SELECT id FROM files WHERE state = 'leased' AND lease_owner = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE)
		UPDATE files f SET state = 'pending', lease_owner = NULL, lease_ends = NULL FROM held WHERE f.id = held.id`,
		owner.String(), fileIDs)
	return s.failed("releasing files", err)
}

// ReleaseAll gives back everything that owner holds: it is dead.
func (s *Store) ReleaseAll(ctx context.Context, owner storage.Owner) (int, error) {
	tag, err := s.pool.Exec(ctx, `
		WITH held AS (
			SELECT id FROM files WHERE state = 'leased' AND lease_owner = $1 ORDER BY id FOR UPDATE)
		UPDATE files f SET state = 'pending', lease_owner = NULL, lease_ends = NULL FROM held WHERE f.id = held.id`,
		owner.String())
	return int(tag.RowsAffected()), s.failed("releasing the files of "+owner.String(), err)
}

// LeaseOwners lists the owners of the leases on a machine, ended ones too, by
// process ID.
func (s *Store) LeaseOwners(ctx context.Context, machine string) ([]storage.Owner, error) {
	names, err := query(ctx, s, "listing the owners of leases", pgx.RowTo[string],
		`SELECT DISTINCT lease_owner FROM files WHERE state = 'leased'`)
	if err != nil {
		return nil, err
	}
	var owners []storage.Owner
	for _, name := range names {
		if owner, ok := parseOwner(name); ok && owner.Machine == machine {
			owners = append(owners, owner)
		}
	}
	slices.SortFunc(owners, func(a, b storage.Owner) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.StartedAt, b.StartedAt))
	})
	return owners, nil
}

// parseOwner reads what Owner.String writes; a machine's name may hold slashes.
func parseOwner(name string) (storage.Owner, bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 3 {
		return storage.Owner{}, false
	}
	machine, numbers := parts[:len(parts)-2], parts[len(parts)-2:]
	pid, errPID := strconv.Atoi(numbers[0])
	started, errStarted := strconv.ParseInt(numbers[1], 10, 64)
	owner := storage.Owner{Machine: strings.Join(machine, "/"), PID: pid, StartedAt: started}
	return owner, errPID == nil && errStarted == nil
}

// Failures lists present files that failed or are unsupported, by path.
func (s *Store) Failures(ctx context.Context) ([]storage.FailedFile, error) {
	return query(ctx, s, "listing failures", scanFailedFile, `
		SELECT `+absolutePath+` AS absolute, f.state, f.error_code, f.error_text, f.failed_at
		FROM files f JOIN folders d ON d.id = f.folder_id
		WHERE f.state IN ('failed', 'unsupported') AND f.present
		ORDER BY absolute`)
}

func scanFailedFile(row pgx.CollectableRow) (storage.FailedFile, error) {
	var f storage.FailedFile
	var path []byte
	err := row.Scan(&path, &f.State, &f.Code, &f.Text, &f.Since)
	f.Path = string(path)
	return f, err
}

// RetryFailures makes the files that Failures lists pending again. One that
// fails again keeps the time of its first failure.
func (s *Store) RetryFailures(ctx context.Context) (int, error) {
	tag, err := s.pool.Exec(ctx, `
		WITH again AS (
			SELECT id FROM files WHERE state IN ('failed', 'unsupported') AND present ORDER BY id FOR UPDATE)
		UPDATE files f SET state = 'pending', attempts = 0, error_code = NULL, error_text = NULL, decoder_version = NULL
		FROM again WHERE f.id = again.id`)
	return int(tag.RowsAffected()), s.failed("retrying failures", err)
}
