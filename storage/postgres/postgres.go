// Package postgres keeps photos, files and the queue in PostgreSQL 14 or
// newer: the one implementation of storage.Store.
//
// It never looks at a photo's file, starts no server and decides nothing
// about what to index. Every statement is written by hand, beside the method
// that needs it; the tables are described in package migrations.
//
// Transactions never wait for each other in a circle, because all of them take
// row locks in this order: the folder, then files by id, then photos by id.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"shoebox/storage"
)

const (
	// maxConns is how many connections a process holds at most, where the
	// URL does not say pool_max_conns. The pipeline uses three or four at a
	// time, and a server usually allows a hundred in all.
	maxConns = 8

	connectTimeout = 10 * time.Second
)

// absolutePath is the absolute path of files f in folders d.
const absolutePath = `(CASE d.path WHEN '/' THEN ''::bytea ELSE d.path END || '/'::bytea || f.path)`

// Store is a storage.Store in a PostgreSQL database.
type Store struct {
	pool   *pgxpool.Pool
	server string // for errors: where the database is, without the password
}

var _ storage.Store = (*Store)(nil)

// Open connects to the database at url (a postgres:// URL or a keyword/value
// string). It changes nothing there: a database without this version's schema
// is refused, with ErrNotMigrated when Migrate would help and with
// storage.ErrSchemaNewer when a newer shoebox has migrated it.
func Open(ctx context.Context, url string) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errBadURL
	}
	configure(config.ConnConfig)
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	config.AfterRelease = writes
	s := &Store{server: serverName(config.ConnConfig)}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, s.failed("connecting", err)
	}
	if err := s.checkSchema(ctx); err != nil {
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

// Close gives the connections back, after the calls that are using them.
func (s *Store) Close() { s.pool.Close() }

// errBadURL does not wrap the parser's error, which may repeat a password.
var errBadURL = errors.New("cannot read the database URL: want postgres://USER:PASSWORD@HOST:PORT/DATABASE")

// configure sets what every connection of shoebox has in common.
func configure(config *pgx.ConnConfig) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	defaults := map[string]string{
		"application_name": "shoebox",
		// A plan made while the tables were empty would be kept after they
		// have grown to millions of rows. Planning costs a statement less
		// than a millisecond, and a statement does a batch.
		"plan_cache_mode": "force_custom_plan",
		// Right after a first scan nothing is known of the tables. A claim
		// then sorts all that is pending to give out a batch, and a page of
		// the change feed takes a minute, by bitmaps of whole indexes. Every
		// statement here has an index that gives its few rows in order.
		"enable_bitmapscan": "off",
		"jit":               "off",
		// A client that vanished with its network would hold its locks for
		// hours. A transaction here sends its next statement at once.
		"idle_in_transaction_session_timeout": "60s",
	}
	for name, value := range defaults {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
}

// writes reports whether a connection is worth keeping. One that was made while
// the server, or this database, was read-only stays so for ever.
func writes(conn *pgx.Conn) bool {
	return conn.PgConn().ParameterStatus("default_transaction_read_only") != "on" &&
		conn.PgConn().ParameterStatus("in_hot_standby") != "on"
}

// serverName says for people where a database is.
func serverName(config *pgx.ConnConfig) string {
	return fmt.Sprintf("database %q on %s:%d as user %q", config.Database, config.Host, config.Port, config.User)
}

// failed says what was being done when err came, and on which server unless
// that goes without saying: the server itself said no, or err names it.
// What passes by itself is a storage.ErrUnavailable.
func (s *Store) failed(doing string, err error) error {
	return mark(describe(doing, s.server, err))
}

func describe(doing, server string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.As(err, new(*pgconn.PgError)), errors.As(err, new(*pgconn.ConnectError)):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%s: %s: %w", doing, server, err)
	}
}

// transact runs do in a transaction, which is rolled back when do fails.
func (s *Store) transact(ctx context.Context, doing string, do func(pgx.Tx) error) error {
	return s.failed(doing, pgx.BeginFunc(ctx, s.pool, do))
}

// query collects all rows of a statement.
func query[T any](ctx context.Context, s *Store, doing string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, s.failed(doing, err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, s.failed(doing, err)
	}
	return found, nil
}
