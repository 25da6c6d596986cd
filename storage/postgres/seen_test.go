package postgres_test

import (
	"slices"
	"testing"
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
