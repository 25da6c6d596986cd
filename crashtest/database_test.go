package crashtest

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// database asks the private Postgres, with SQL of its own.
type database struct {
	dir string // the cluster, in which the socket lies
}

// url is the address of the server.
func (d *database) url() string {
	return "postgres://shoebox@/shoebox?" + strings.ReplaceAll(
		url.Values{"host": {d.dir}, "port": {"5432"}, "sslmode": {"disable"}}.Encode(), "+", "%20")
}

// query collects what a statement returns.
func query[T any](ctx context.Context, d *database, sql string, args ...any) ([]T, error) {
	conn, err := pgx.Connect(ctx, d.url())
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

// fileRow is a file as Postgres has it, with its photo.
type fileRow struct {
	Folder, Path []byte
	State        string
	Suspect      bool
	Recaption    bool
	Code         *string
	Retries      bool
	Photo        []byte
	Caption      *string
	Edited       *bool
}

func (f fileRow) path() string { return filepath.Join(string(f.Folder), string(f.Path)) }

func (d *database) presentFiles(ctx context.Context) ([]fileRow, error) {
	return query[fileRow](ctx, d, `
		SELECT d.path, f.path, f.state, f.suspect, f.recaption, f.error_code, f.retry_after IS NOT NULL, f.photo_id, p.caption, p.caption_edited
		FROM files f JOIN folders d ON d.id = f.folder_id LEFT JOIN photos p ON p.id = f.photo_id
		WHERE f.present`)
}

// editRow is a photo with a caption that a person wrote.
type editRow struct {
	Photo   []byte
	Caption string
	Noted   bool // in edits, too
}

func (d *database) edits(ctx context.Context) ([]editRow, error) {
	return query[editRow](ctx, d, `
		SELECT p.id, p.caption, e.photo_id IS NOT NULL FROM photos p LEFT JOIN edits e ON e.photo_id = p.id WHERE p.caption_edited`)
}

// countRow is a number that is kept beside what it counts.
type countRow struct {
	What string
	N    int64
}

// miscounts are the kept numbers that differ from what is there, as what is
// there less what is kept, and leases of files that are gone.
func (d *database) miscounts(ctx context.Context) ([]countRow, error) {
	return query[countRow](ctx, d, `
		SELECT what, sum(n)::bigint FROM (
			SELECT format('folder %s: %s, present %s, %s, retried %s', folder_id, state, present, error_code, retry_after IS NOT NULL) AS what, 1 AS n FROM files
			UNION ALL
			SELECT format('folder %s: %s, present %s, %s, retried %s', folder_id, state, present, error_code, retry), -n FROM file_counts
			UNION ALL
			SELECT format('captions of model %s, edited %s, unsure %s', model_id, caption_edited, caption_unsure), 1 FROM photos WHERE caption IS NOT NULL
			UNION ALL
			SELECT format('captions of model %s, edited %s, unsure %s', model_id, edited, unsure), -n FROM photo_counts
			UNION ALL
			SELECT 'missing files that are leased', 1 FROM files WHERE NOT present AND state = 'leased'
		) AS entries GROUP BY what HAVING sum(n) <> 0`)
}

// photoRow is a photo by its ID.
type photoRow struct{ Photo []byte }

// photoFrom returns the first photo at or behind an ID that a file shows.
func (d *database) photoFrom(ctx context.Context, from id) (photo id, found bool, err error) {
	rows, err := query[photoRow](ctx, d, `
		SELECT photo_id FROM files WHERE present AND state = 'done' AND photo_id >= $1 ORDER BY photo_id LIMIT 1`, from[:])
	if err != nil || len(rows) == 0 {
		return photo, false, err
	}
	return id(rows[0].Photo), true, nil
}
