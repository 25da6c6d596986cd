package postgres_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

func TestMain(m *testing.M) { os.Exit(storagetest.Main(m)) }

func TestStore(t *testing.T) {
	var databases sync.Map // test -> URL
	storagetest.Run(t, func(t *testing.T) storage.Store {
		if url, again := databases.Load(t); again {
			return openStore(t, url.(string))
		}
		url := migrated(t)
		databases.Store(t, url)
		return openStore(t, url)
	})
}

// migrated returns the URL of a new database with the schema.
func migrated(t testing.TB) string {
	t.Helper()
	url := storagetest.Server(t)
	if _, _, err := postgres.Migrate(context.Background(), url); err != nil {
		t.Fatal(err)
	}
	return url
}

func openStore(t testing.TB, url string) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}
