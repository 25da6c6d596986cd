package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// Changes reads the change feed after a cursor, at most limit photos, a photo
// once for all its changes so far. It stops before the oldest transaction that
// is still open, because what that one changes belongs before what is newer:
// so nothing that commits late is missed. The zero Cursor is not a restart.
func (s *Store) Changes(ctx context.Context, after storage.Cursor, limit int) (storage.Changes, error) {
	const doing = "reading the change feed"
	after, restart, err := s.place(ctx, doing, after)
	if err != nil {
		return storage.Changes{}, err
	}
	changes := storage.Changes{Restart: restart}
	// One row more than wanted tells whether there are more.
	found, err := query(ctx, s, doing, scanStamped, `
		SELECT `+selectedPhoto+`, p.changed_in, `+presentFiles+`
		FROM `+photosAndSeen+`
		WHERE (p.changed_in, p.id) > ($1::xid8, $2::bytea)
			AND p.changed_in < pg_snapshot_xmin(pg_current_snapshot())
		ORDER BY p.changed_in, p.id
		LIMIT $3`, after.XID, after.Photo[:], limit+1)
	if err != nil {
		return storage.Changes{}, err
	}
	if changes.More = len(found) > limit; changes.More {
		found = found[:limit]
	}
	changes.Next = after
	for _, c := range found {
		changes.Items = append(changes.Items, c.Change)
		changes.Next.XID, changes.Next.Photo = c.changedIn, c.Photo.ID
	}
	return changes, nil
}

// place is a cursor as it counts here, which is the beginning if it is of
// another epoch.
func (s *Store) place(ctx context.Context, doing string, after storage.Cursor) (here storage.Cursor, restart bool, err error) {
	// A cursor that this database has not reached yet comes from a copy of it
	// that went on, or from before a crash lost commits: it is of no use.
	var epoch string
	var ahead bool
	err = s.pool.QueryRow(ctx, `
		SELECT epoch::text, $1::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) FROM meta`, after.XID).Scan(&epoch, &ahead)
	if err != nil {
		return after, false, s.failed(doing, err)
	}
	if after.Epoch != epoch || ahead {
		return storage.Cursor{Epoch: epoch}, after.Epoch != "", nil
	}
	return after, false, nil
}

// Lag counts stamps that are committed, whether Changes gives them yet or not.
func (s *Store) Lag(ctx context.Context, after storage.Cursor, most int) (storage.Lag, error) {
	const doing = "counting what search does not show yet"
	after, restart, err := s.place(ctx, doing, after)
	if err != nil {
		return storage.Lag{}, err
	}
	lag := storage.Lag{Restart: restart}
	err = s.pool.QueryRow(ctx, `
		SELECT count(*), count(*) FILTER (WHERE changed_in >= pg_snapshot_xmin(pg_current_snapshot())) FROM (
			SELECT changed_in FROM photos WHERE (changed_in, id) > ($1::xid8, $2::bytea)
			ORDER BY changed_in, id LIMIT $3) AS missed`, after.XID, after.Photo[:], most).Scan(&lag.Photos, &lag.HeldBack)
	return lag, s.failed(doing, err)
}

// presentFiles are the absolute paths of the present files of photo p, each
// followed by the path of its folder, of the outermost when one is in another,
// and by what its sidecar says, as JSON.
const presentFiles = `ARRAY(
	SELECT unnest(ARRAY[absolute, root, convert_to(sidecar::text, 'UTF8')]) FROM (
		SELECT DISTINCT ON (absolute) ` + absolutePath + ` AS absolute, d.path AS root, f.sidecar
		FROM files f JOIN folders d ON d.id = f.folder_id
		WHERE f.photo_id = p.id AND f.present
		ORDER BY absolute, length(d.path)) AS present)`

// setFiles takes what presentFiles gives.
func setFiles(c *storage.Change, present [][]byte) error {
	var sidecars []storage.Sidecar
	for file := range slices.Chunk(present, 3) {
		c.Paths, c.Roots = append(c.Paths, string(file[0])), append(c.Roots, string(file[1]))
		if file[2] == nil {
			continue
		}
		var sidecar storage.Sidecar
		if err := json.Unmarshal(file[2], &sidecar); err != nil {
			return fmt.Errorf("the sidecar of %s: %w", file[0], err)
		}
		sidecars = append(sidecars, sidecar)
	}
	c.Photo.Merge(sidecars)
	return nil
}

type stampedChange struct {
	storage.Change
	changedIn uint64
}

func scanStamped(row pgx.CollectableRow) (stampedChange, error) {
	var c stampedChange
	var present [][]byte
	var err error
	if c.Photo, err = scanPhoto(row, &c.changedIn, &present); err != nil {
		return c, err
	}
	return c, setFiles(&c.Change, present)
}

// FeedBlocker is an open transaction that holds changes back from Changes.
type FeedBlocker struct {
	PID         int    // of the server's process; 0: a prepared transaction
	Application string // what the client calls itself, or the prepared transaction's name
	Since       time.Time
	Query       string // its last statement, the first 200 characters
}

// FeedBlockers names the open transactions that hold changes back, the oldest
// first; none when no change is waiting. A transaction in another database of
// the same server counts too. Without the rights of pg_monitor, those of other
// users are not seen.
func (s *Store) FeedBlockers(ctx context.Context) ([]FeedBlocker, error) {
	return query(ctx, s, "looking for what holds the change feed back", pgx.RowToStructByPos[FeedBlocker], `
		SELECT pid, name, since, query FROM (
			SELECT pid, coalesce(application_name, '') AS name, xact_start AS since,
				left(query, 200) AS query, backend_xid AS xid
			FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND xact_start IS NOT NULL
			UNION ALL
			SELECT 0, gid, prepared, '', transaction FROM pg_prepared_xacts) AS open
		WHERE EXISTS (SELECT 1 FROM photos WHERE changed_in >= pg_snapshot_xmin(pg_current_snapshot()))
		ORDER BY age(xid) DESC`)
}
