package scan

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"shoebox/storage"
)

// chunk is how many paths are looked up with a statement.
const chunk = 2000

// Paths scans parts of a root, given relative to it: a picture or its sidecar,
// or a folder with everything below, or what was one and has gone ("" is the
// whole root).
// It decides as Folder does, and hands over to it when the root is not what it
// was at its last full scan.
func Paths(ctx context.Context, store Store, folder storage.Folder, paths []string, options Options) (Summary, error) {
	l, problem := newLook(ctx, store, folder, options)
	if problem != nil {
		return Summary{}, leave(ctx, store, folder, problem)
	}
	parts := partsOf(l.withPictures(paths))
	if l.summary.FileSystem != folder.FileSystem || len(parts) > 0 && parts[0] == "" {
		return Folder(ctx, store, folder, options)
	}
	for part := range slices.Chunk(parts, chunk) {
		if err := l.paths(part); err != nil {
			return l.summary, err
		}
	}
	return l.summary, l.flush(1)
}

// partsOf returns the paths in order and each once, with folders in the place
// of their rules.
func partsOf(paths []string) []string {
	parts := slices.Clone(paths)
	for i, path := range parts {
		if dir, name := split(path); name == RulesName {
			parts[i] = dir
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}

func (l *look) paths(paths []string) error {
	known, parents, err := l.store.KnownAt(l.ctx, l.folder.ID, paths)
	if err != nil {
		return err
	}
	byPath := make(map[string]*storage.KnownFile, len(known))
	for i := range known {
		byPath[known[i].Path] = &known[i]
	}
	below := make(map[string]bool, len(parents))
	for _, path := range parents {
		below[path] = true
	}
	scanned := "" // the last folder that was scanned
	for _, path := range paths {
		if scanned != "" && strings.HasPrefix(path, scanned+"/") {
			continue
		}
		deep, err := l.path(path, byPath[path], below[path])
		if err != nil {
			return err
		}
		if deep {
			scanned = path
		}
	}
	return nil
}

// path scans what is at one path and reports whether it has scanned what is
// below, too.
func (l *look) path(path string, old *storage.KnownFile, below bool) (deep bool, err error) {
	var stat unix.Stat_t
	err = unix.Lstat(filepath.Join(l.folder.Path, path), &stat)
	isDir, isPicture := false, false
	switch {
	case isGone(err):
		err = nil
	case err != nil:
	case stat.Mode&unix.S_IFMT == unix.S_IFDIR:
		isDir = true
	default:
		isPicture, err = l.rules.isPicture(path, &stat)
	}
	if err != nil {
		l.summary.Unreadable = append(l.summary.Unreadable, &unreadable{path: path, err: cause(err)})
		return false, nil
	}
	if isPicture {
		file := newFile(path, &stat)
		if err := file.addSidecar(l.statSidecar); err != nil {
			l.summary.Unreadable = append(l.summary.Unreadable, &unreadable{path: path, err: err})
			return false, nil
		}
		if err := l.compare(&file, old); err != nil {
			return false, err
		}
		old = nil
	}
	if old != nil {
		if err := l.compare(nil, old); err != nil {
			return false, err
		}
	}
	if isDir || below {
		return true, l.tree(path, isDir)
	}
	return false, nil
}
