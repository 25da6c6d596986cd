package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"shoebox/migrations"
	"shoebox/storage"
)

// Restore loads a backup into the database at url, which must hold nothing
// yet: neither folders nor photos. A backup of an older shoebox is brought to
// this version's schema; one of a newer is a storage.ErrSchemaNewer. It is all
// loaded or nothing is. Readers of the change feed start again.
func Restore(ctx context.Context, url string, in io.Reader) (Saved, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return Saved{}, errBadURL
	}
	configure(config)
	archive, err := newArchiveReader(in)
	if err != nil {
		return Saved{}, err
	}
	if err := archive.header.check(); err != nil {
		return Saved{}, err
	}
	saved, err := restore(ctx, config, archive)
	if err == nil {
		_, _, err = Migrate(ctx, url)
	}
	return saved, describe("restoring", serverName(config), err)
}

// check refuses what could not be loaded, before anything is touched.
func (h archiveHeader) check() error {
	own, err := ownVersion()
	if err != nil {
		return err
	}
	if h.Schema > own {
		return fmt.Errorf("%w: the backup has version %d, this one knows up to %d; install the newer shoebox", storage.ErrSchemaNewer, h.Schema, own)
	}
	for _, t := range h.Tables {
		if !slices.Contains(savedTables, t.Name) {
			return fmt.Errorf("%w: it names a table %q", errCutOff, t.Name)
		}
	}
	return nil
}

func restore(ctx context.Context, config *pgx.ConnConfig, archive *archiveReader) (Saved, error) {
	if err := makeSchema(ctx, config, archive.header.Schema); err != nil {
		return Saved{}, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Saved{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var sums archiveSums
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Whoever adds a folder now waits, and then finds it all.
		if err := refuseFilled(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM models; SET LOCAL datestyle = 'ISO'; SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		if sums, err = archive.load(func(t archiveTable, rows io.Reader) (int64, error) {
			tag, err := conn.PgConn().CopyFrom(ctx, rows, copyStatement(t)+` FROM STDIN (FORMAT csv, HEADER true)`)
			return tag.RowsAffected(), err
		}); err != nil {
			return err
		}
		return settle(ctx, tx)
	})
	saved := Saved{MadeAt: archive.header.MadeAt}
	for _, t := range sums.Tables {
		switch t.Name {
		case "photos":
			saved.Photos = t.Rows
		case "files":
			saved.Files = t.Rows
		case "edits":
			saved.Edits = t.Rows
		}
	}
	return saved, err
}

// settle makes the loaded rows those of this database: new identities follow
// the loaded ones, no worker holds a lease, and readers of the change feed
// begin anew.
func settle(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `
		SELECT c.relname::text, a.attname::text
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relname = ANY ($1) AND c.relnamespace = current_schema()::regnamespace AND a.attidentity <> ''`, savedTables)
	if err != nil {
		return err
	}
	type identity struct{ Table, Column string }
	identities, err := pgx.CollectRows(rows, pgx.RowToStructByPos[identity])
	if err != nil {
		return err
	}
	for _, i := range identities {
		_, err := tx.Exec(ctx, fmt.Sprintf(
			`SELECT setval(pg_get_serial_sequence('%[1]s', '%[2]s'), coalesce(max(%[2]s), 1), max(%[2]s) IS NOT NULL) FROM %[1]s`,
			i.Table, i.Column))
		if err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		UPDATE files SET state = 'pending', lease_owner = NULL, lease_ends = NULL WHERE state = 'leased';
		UPDATE meta SET epoch = gen_random_uuid()`)
	return err
}

// ErrNotEmpty is returned when a backup would be mixed with what is there.
var ErrNotEmpty = errors.New("the database is not empty")

// refuseFilled keeps others from adding anything, and refuses a database in
// which something is.
func refuseFilled(ctx context.Context, tx pgx.Tx) error {
	var filled bool
	if _, err := tx.Exec(ctx, `LOCK TABLE folders, photos, files IN ACCESS EXCLUSIVE MODE`); err != nil {
		return err
	}
	err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT 1 FROM folders) OR EXISTS (SELECT 1 FROM photos) OR EXISTS (SELECT 1 FROM files)`).Scan(&filled)
	if err == nil && filled {
		err = ErrNotEmpty
	}
	return err
}

// makeSchema brings an empty database to exactly a version of the schema, the
// one whose rows are to be loaded. Tables of another version are dropped: they
// are empty.
func makeSchema(ctx context.Context, config *pgx.ConnConfig, version int64) error {
	db := stdlib.OpenDB(*config)
	defer db.Close()
	from, err := sqlSchemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if err := refuseNewer(from); err != nil {
		return err
	}
	if from != 0 {
		if err := dropEmpty(ctx, config, from != version); err != nil {
			return err
		}
	}
	_, err = migrateTo(ctx, db, version)
	return err
}

// dropEmpty drops all that migrations have made, if asked to, and fails where
// something is in the tables.
func dropEmpty(ctx context.Context, config *pgx.ConnConfig, drop bool) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := refuseFilled(ctx, tx); err != nil || !drop {
			return err
		}
		tables, functions, err := madeByMigrations()
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DROP TABLE IF EXISTS goose_db_version, `+strings.Join(tables, ", ")+`;
			DROP FUNCTION IF EXISTS `+strings.Join(functions, ", "))
		return err
	})
}

var (
	createTable    = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)
	createFunction = regexp.MustCompile(`(?m)^CREATE (?:OR REPLACE )?FUNCTION (\w+)\(`)
)

// madeByMigrations names the tables and functions of all versions.
func madeByMigrations() (tables, functions []string, err error) {
	sources, err := migrations.FS.ReadDir(".")
	if err != nil {
		return nil, nil, err
	}
	for _, source := range sources {
		text, err := migrations.FS.ReadFile(source.Name())
		if err != nil {
			return nil, nil, err
		}
		for _, match := range createTable.FindAllSubmatch(text, -1) {
			tables = append(tables, string(match[1]))
		}
		for _, match := range createFunction.FindAllSubmatch(text, -1) {
			functions = append(functions, string(match[1]))
		}
	}
	slices.Sort(functions)
	return tables, slices.Compact(functions), nil
}
