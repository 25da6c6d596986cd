package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// schema is what people would use instead of an index of their own: full-text
// search by PostgreSQL, with the same texts (captions weigh most, like ours)
// and dates and places beside them.
const schema = `
CREATE TABLE photos (
	id      bytea NOT NULL,
	path    text NOT NULL,
	caption text NOT NULL,
	others  text NOT NULL,
	names   text NOT NULL,
	taken   timestamptz,
	lat     float8,
	lon     float8,
	words   tsvector GENERATED ALWAYS AS (
		setweight(to_tsvector('english', caption), 'A') || setweight(to_tsvector('english', names), 'B') ||
		setweight(to_tsvector('english', others), 'C')) STORED
)`

// indexes are made when the table is full, in the same transaction.
const indexes = `
CREATE INDEX ON photos USING gin (words) WITH (fastupdate = off);
CREATE INDEX ON photos (taken);
CREATE INDEX ON photos (lat, lon)`

// connect opens connections on which PostgreSQL may use what it has: the
// private server is set up for a machine whose cores are busy with the model.
func connect(ctx context.Context, url string, connections int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(connections)
	// Without a name each statement is planned for its own words.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	for name, value := range map[string]string{
		"max_parallel_workers_per_gather": "2", "work_mem": "256MB", "maintenance_work_mem": "1GB", "random_page_cost": "1.1",
	} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// load copies the library into a new table, unless it is there already.
func load(ctx context.Context, pool *pgxpool.Pool, l *library) (took time.Duration, size int64, err error) {
	began := time.Now()
	var there bool
	if err := pool.QueryRow(ctx, `SELECT to_regclass('photos') IS NOT NULL`).Scan(&there); err != nil {
		return 0, 0, err
	}
	if !there {
		if err := fill(ctx, pool, l); err != nil {
			return 0, 0, err
		}
	}
	took = time.Since(began)
	err = pool.QueryRow(ctx, `SELECT pg_total_relation_size('photos')`).Scan(&size)
	return took, size, err
}

func fill(ctx context.Context, pool *pgxpool.Pool, l *library) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, schema); err != nil {
			return err
		}
		i := 0
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"photos"}, []string{"id", "path", "caption", "others", "names", "taken", "lat", "lon"},
			pgx.CopyFromFunc(func() ([]any, error) {
				if i == l.photos {
					return nil, nil
				}
				i++
				return row(l, i-1), nil
			}))
		if err == nil {
			_, err = tx.Conn().PgConn().Exec(ctx, indexes).ReadAll()
		}
		return err
	})
	if err == nil {
		_, err = pool.Exec(ctx, `VACUUM (ANALYZE) photos`)
	}
	if err != nil {
		return fmt.Errorf("loading Postgres: %w", err)
	}
	return nil
}

func row(l *library, i int) []any {
	c := l.photo(i)
	var others []string
	for _, other := range c.Photo.Seen.Others {
		others = append(others, other.Text)
	}
	names := strings.Join(append([]string{c.Photo.Title, c.Paths[0]}, c.Photo.Keywords...), " ")
	var taken *time.Time
	if !c.Photo.Taken.IsZero() {
		taken = &c.Photo.Taken.Clock
	}
	var lat, lon *float64
	if at := c.Photo.Location; at != nil {
		lat, lon = &at.Lat, &at.Lon
	}
	names = strings.NewReplacer("/", " ", "_", " ").Replace(names)
	return []any{c.Photo.ID[:], c.Paths[0], c.Photo.Text, strings.Join(others, "\n"), names, taken, lat, lon}
}

// statement is a full-text query. It marks the words in the photos that it
// returns, as ours does, and unlike ours does not count the others.
type statement struct {
	match string // makes a tsquery of the first argument
	where string
	order string
	args  []any
}

func match(words string) *statement {
	return &statement{match: "plainto_tsquery('english', $1)", args: []any{words}}
}

func phrase(words string) *statement {
	return &statement{match: "phraseto_tsquery('english', $1)", args: []any{words}}
}

// prefix makes the word the beginning of one.
func (q question) prefix() question {
	q.sql.match = "to_tsquery('simple', $1)"
	q.sql.args[0] = q.sql.args[0].(string) + ":*"
	return q
}

func (s *statement) between(from, to time.Time) {
	s.where += fmt.Sprintf(" AND taken >= $%d AND taken < $%d", len(s.args)+1, len(s.args)+2)
	s.args = append(s.args, from, to)
}

// around asks for a box, without the corners' distance.
func (s *statement) around(at place, km float64) {
	n := len(s.args)
	s.where += fmt.Sprintf(" AND lat BETWEEN $%d AND $%d AND lon BETWEEN $%d AND $%d", n+1, n+2, n+3, n+4)
	lat, lon := km*kilometre, km*kilometre/math.Cos(at.lat*math.Pi/180)
	s.args = append(s.args, at.lat-lat, at.lat+lat, at.lon-lon, at.lon+lon)
}

func (s *statement) byDate() { s.order = "taken DESC NULLS LAST" }

func (s *statement) sql() string {
	order := s.order
	if order == "" {
		order = "ts_rank(words, " + s.match + ") DESC"
	}
	return fmt.Sprintf(`SELECT id, path, taken, ts_headline('english', caption, %s)
		FROM (SELECT id, path, taken, caption FROM photos WHERE words @@ %s%s ORDER BY %s LIMIT %d) best`,
		s.match, s.match, s.where, order, limit)
}

// run asks Postgres and reads the answer.
func (s *statement) run(ctx context.Context, pool *pgxpool.Pool) (found int, err error) {
	rows, err := pool.Query(ctx, s.sql(), s.args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); found++ {
		var id []byte
		var path, caption string
		var taken *time.Time
		if err := rows.Scan(&id, &path, &taken, &caption); err != nil {
			return found, err
		}
	}
	return found, rows.Err()
}
