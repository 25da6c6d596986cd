package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"shoebox/migrations"
	"shoebox/storage"
)

// ErrNotMigrated is returned by Open when the database is empty or was last
// migrated by an older shoebox.
var ErrNotMigrated = errors.New("the database does not have this version's schema yet")

// Migrate brings the database at url to this version's schema and returns the
// version that it had (0: an empty database) and has now. Any number of
// processes may call it at once: one works, the others wait for it, up to five
// minutes. A newer schema is left alone: storage.ErrSchemaNewer.
func Migrate(ctx context.Context, url string) (from, to int64, err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return 0, 0, errBadURL
	}
	configure(config)
	db := stdlib.OpenDB(*config)
	defer db.Close()
	from, to, err = migrate(ctx, db)
	if err != nil {
		return 0, 0, describe("migrating", serverName(config), err)
	}
	return from, to, nil
}

func migrate(ctx context.Context, db *sql.DB) (from, to int64, err error) {
	// Looked at before goose is, which would create its table.
	if from, err = sqlSchemaVersion(ctx, db); err != nil {
		return 0, 0, err
	}
	if err := refuseNewer(from); err != nil {
		return 0, 0, err
	}
	own, err := ownVersion()
	if err != nil {
		return 0, 0, err
	}
	applied, err := migrateTo(ctx, db, own)
	if err != nil {
		return 0, 0, err
	}
	// Another process, even one of a newer version, may have had the lock first.
	if to, err = sqlSchemaVersion(ctx, db); err != nil {
		return 0, 0, err
	}
	if applied == 0 {
		from = to
	}
	return from, to, refuseNewer(to)
}

// migrateTo applies the migrations up to a version that are not applied yet.
func migrateTo(ctx context.Context, db *sql.DB, version int64) (applied int, err error) {
	// The lock is tried every second, 300 times.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS, goose.WithSessionLocker(locker))
	if err != nil {
		return 0, err
	}
	results, err := provider.UpTo(ctx, version)
	return len(results), err
}

// schemaVersionTable says whether goose's table is there: a statement that
// names a missing table would fail.
const (
	schemaVersionTable = `SELECT to_regclass('goose_db_version') IS NOT NULL`
	schemaVersionRow   = `SELECT coalesce(max(version_id), 0) FROM goose_db_version`
)

func sqlSchemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var exists bool
	if err := db.QueryRowContext(ctx, schemaVersionTable).Scan(&exists); err != nil || !exists {
		return 0, err
	}
	err = db.QueryRowContext(ctx, schemaVersionRow).Scan(&version)
	return version, err
}

// ownVersion is the schema version that this binary brings.
func ownVersion() (int64, error) {
	sources, err := migrations.FS.ReadDir(".")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, source := range sources {
		version, err := goose.NumericComponent(source.Name())
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", source.Name(), err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}

func refuseNewer(version int64) error {
	own, err := ownVersion()
	if err != nil || version <= own {
		return err
	}
	return fmt.Errorf("%w: its schema has version %d, this one knows up to %d; "+
		"install the newer shoebox, or use another database", storage.ErrSchemaNewer, version, own)
}

// checkSchema refuses a database whose schema is not exactly this version's.
func (s *Store) checkSchema(ctx context.Context) error {
	var exists bool
	var version int64
	if err := s.pool.QueryRow(ctx, schemaVersionTable).Scan(&exists); err != nil {
		return s.failed("opening", err)
	}
	if exists {
		if err := s.pool.QueryRow(ctx, schemaVersionRow).Scan(&version); err != nil {
			return s.failed("opening", err)
		}
	}
	if err := refuseNewer(version); err != nil {
		return s.failed("opening", err)
	}
	own, err := ownVersion()
	if err != nil {
		return err
	}
	if version < own {
		return s.failed("opening", fmt.Errorf("%w: it has version %d, this shoebox needs %d; run `shoebox migrate`",
			ErrNotMigrated, version, own))
	}
	return nil
}
