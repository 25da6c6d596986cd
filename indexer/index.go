// Package indexer is the worker: it finds out which files are new or
// changed, captions them in batches and keeps the search index in step.
//
// What is known lives in storage, which files are there is decided by
// indexer/scan. It can be killed at any moment: a file is done only when
// its caption is committed, and everything else is done again. It never
// writes to a photo.
package indexer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"shoebox/indexer/scan"
	"shoebox/storage"
)

// Store is what indexing needs of storage.Store.
type Store interface {
	Queue
	scan.Store
	AddFolder(ctx context.Context, path string) (storage.Folder, error)
}

// Scanned is the outcome of looking at one folder.
type Scanned struct {
	Folder storage.Folder
	scan.Summary
	// Problem is set when the folder is gone or empty and was left alone.
	Problem *scan.Problem
}

// Scan remembers the folders and records what is new, changed or gone in
// them. A folder that cannot be trusted now is reported as its Problem and
// does not stop the others.
func Scan(ctx context.Context, store Store, dirs []string, options scan.Options) ([]Scanned, error) {
	var all []Scanned
	seen := make(map[string]bool)
	for _, dir := range dirs {
		path, err := filepath.Abs(dir)
		if err != nil {
			return all, err
		}
		if seen[path] {
			continue
		}
		seen[path] = true
		folder, err := store.AddFolder(ctx, path)
		if err != nil {
			return all, err
		}
		summary, err := scan.Folder(ctx, store, folder, options)
		one := Scanned{Folder: folder, Summary: summary}
		if err != nil && !errors.As(err, &one.Problem) {
			return all, fmt.Errorf("scan %s: %w", path, err)
		}
		all = append(all, one)
	}
	return all, nil
}
