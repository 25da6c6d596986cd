package postgres

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// savedTables are what a backup holds, in the order in which they can be
// loaded. The other tables are sums, which a restore makes anew, and what
// belongs to one database alone.
var savedTables = []string{"models", "folders", "photos", "files", "edits", "seen"}

// ownColumns mean something in this database only: a transaction of it.
var ownColumns = map[string][]string{"photos": {"changed_in"}}

// Saved is what a backup holds.
type Saved struct {
	MadeAt time.Time
	Photos int64 // all that is known of, files or not
	Files  int64
	Edits  int64
}

// Backup writes everything that is known, as it is at one moment, into one
// stream that Restore reads. Nobody has to stop working meanwhile.
func (s *Store) Backup(ctx context.Context, out io.Writer) (Saved, error) {
	var saved Saved
	oneMoment := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, oneMoment, func(tx pgx.Tx) (err error) {
		saved, err = backup(ctx, tx, out)
		return err
	})
	return saved, s.failed("writing a backup", err)
}

func backup(ctx context.Context, tx pgx.Tx, out io.Writer) (Saved, error) {
	header := archiveHeader{Format: archiveFormat}
	// The rows must look the same whatever the server's settings are.
	_, err := tx.Exec(ctx, `
		SET LOCAL bytea_output = hex; SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC';
		SET LOCAL extra_float_digits = 1; SET LOCAL client_encoding = 'UTF8'; SET LOCAL statement_timeout = 0`)
	if err != nil {
		return Saved{}, err
	}
	if err := tx.QueryRow(ctx, `SELECT now()`).Scan(&header.MadeAt); err != nil {
		return Saved{}, err
	}
	if err := tx.QueryRow(ctx, schemaVersionRow).Scan(&header.Schema); err != nil {
		return Saved{}, err
	}
	for _, name := range savedTables {
		columns, err := savedColumns(ctx, tx, name)
		if err != nil {
			return Saved{}, err
		}
		header.Tables = append(header.Tables, archiveTable{name, columns})
	}
	archive, err := newArchiveWriter(out, header)
	if err != nil {
		return Saved{}, err
	}
	rows := make(map[string]int64)
	for _, t := range header.Tables {
		rows[t.Name], err = archive.table(t, func(w io.Writer) (int64, error) {
			// The server sends each row as a message of its own.
			tag, err := tx.Conn().PgConn().CopyTo(ctx, w, copyStatement(t)+` TO STDOUT (FORMAT csv)`)
			return tag.RowsAffected(), err
		})
		if err != nil {
			return Saved{}, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return Saved{header.MadeAt, rows["photos"], rows["files"], rows["edits"]}, archive.Close()
}

// savedColumns lists the columns of a table that go into a backup.
func savedColumns(ctx context.Context, tx pgx.Tx, table string) ([]string, error) {
	rows, err := tx.Query(ctx, `
		SELECT attname::text FROM pg_attribute
		WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
			AND attname <> ALL (coalesce($2::text[], '{}'))
		ORDER BY attnum`, table, ownColumns[table])
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func copyStatement(t archiveTable) string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = pgx.Identifier{c}.Sanitize()
	}
	return `COPY ` + pgx.Identifier{t.Name}.Sanitize() + ` (` + strings.Join(columns, ", ") + `)`
}
