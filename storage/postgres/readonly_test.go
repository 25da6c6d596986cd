package postgres_test

import (
	"errors"
	"testing"

	"shoebox/storage"
)

func TestAConnectionFromReadOnlyTimesIsNotUsedWhenTheyAreOver(t *testing.T) {
	url := migrated(t)
	set := func(to string) {
		t.Helper()
		run(t, url, `BEGIN READ WRITE;
			DO $$ BEGIN EXECUTE format('ALTER DATABASE %I `+to+`', current_database()); END $$; COMMIT`)
	}
	set("SET default_transaction_read_only = on")
	store := openStore(t, url)
	for range 2 {
		if _, err := store.AddFolder(t.Context(), "/photos"); !errors.Is(err, storage.ErrUnavailable) {
			t.Fatalf("while it is read-only: %v", err)
		}
	}
	set("RESET default_transaction_read_only")
	if _, err := store.AddFolder(t.Context(), "/photos"); err != nil {
		t.Errorf("when that is over: %v", err)
	}
}
