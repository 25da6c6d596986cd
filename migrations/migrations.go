// Package migrations holds the database schema as numbered SQL files.
//
// It only carries the files; storage/postgres applies them. A file that was
// released is never edited: a change is a new file with the next number.
package migrations

import "embed"

// FS holds the migrations, named as goose expects them: NNNNN_what.sql.
//
//go:embed *.sql
var FS embed.FS
