package postgres_test

import (
	"slices"
	"testing"

	"shoebox/storage/storagetest"
)

// What a model saw is a table of its own so that this holds: 1.5 kB a photo.
func TestWhatWasSeenIsNotWrittenAgainWithThePhoto(t *testing.T) {
	url := migrated(t)
	fill(t, url, 10)
	see(t, url)
	const rows = `SELECT encode(photo_id, 'hex') || ' in transaction ' || xmin FROM seen ORDER BY 1`
	before := texts(t, url, rows)
	for _, sql := range []string{
		`UPDATE photos SET caption = 'edited', caption_edited = true`,
		`UPDATE folders SET path = '/moved'`,
		`UPDATE files SET present = false`,
	} {
		run(t, url, sql)
	}
	if after := texts(t, url, rows); len(after) != 9 || !slices.Equal(before, after) {
		t.Errorf("was %q, is %q", before, after)
	}
}

func TestALibraryOfMillionsIsMigratedToPictureWordsAtOnce(t *testing.T) {
	url := storagetest.Server(t)
	migrateTo(t, url, 4)
	fill(t, url, 100)
	// The file that holds the rows; a migration that rewrites them makes a new one.
	const file = `SELECT pg_relation_filenode('photos'), pg_relation_filenode('models')`
	const read = `SELECT coalesce(seq_scan, 0) FROM pg_stat_user_tables WHERE relname = 'photos'`
	before, reads := texts(t, url, file), texts(t, url, read)
	migrateTo(t, url, 5)
	if after := texts(t, url, file); !slices.Equal(before, after) {
		t.Errorf("the rows are in file %q, were in %q", after, before)
	}
	if again := texts(t, url, read); !slices.Equal(reads, again) {
		t.Errorf("the table was read %q times, %q before", again, reads)
	}
}
