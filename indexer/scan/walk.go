package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// ErrUnreadable marks what could not be looked at: the files known below
// such a path are neither present nor missing.
var ErrUnreadable = errors.New("cannot be read")

// unreadable is a path below the root that the walk could not look at.
type unreadable struct {
	path string // relative, slash separated; a folder without a slash behind it
	err  error
}

func (u *unreadable) Error() string        { return fmt.Sprintf("%s: %v", u.path, u.err) }
func (u *unreadable) Unwrap() error        { return u.err }
func (u *unreadable) Is(target error) bool { return target == ErrUnreadable }

// walk lists the pictures below root in byte order of their relative paths.
// A folder or file that cannot be looked at is yielded as an error of type
// *unreadable and the walk goes on; any other error ends it. Symbolic links
// are not followed, so loops cannot happen; the root itself may be one.
func walk(ctx context.Context, root string, skip func(path string) bool) iter.Seq2[storage.FileStat, error] {
	return func(yield func(storage.FileStat, error) bool) {
		w := walker{ctx: ctx, root: root, skip: skip, yield: yield}
		w.folder("")
	}
}

type walker struct {
	ctx   context.Context
	root  string
	skip  func(path string) bool
	yield func(storage.FileStat, error) bool
}

// folder walks one folder, given relative to the root with a slash behind
// it. It returns false when the walk must stop.
func (w *walker) folder(dir string) bool {
	if err := w.ctx.Err(); err != nil {
		return w.yield(storage.FileStat{}, err)
	}
	entries, err := os.ReadDir(filepath.Join(w.root, dir))
	if err != nil {
		return w.yield(storage.FileStat{}, &unreadable{path: strings.TrimSuffix(dir, "/"), err: err})
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, entry := range entries {
		if !w.entry(dir+entry.Name(), entry) {
			return false
		}
	}
	return true
}

// sortKey makes the walk's order that of whole paths: "a.jpg" comes before
// "a/b.jpg", because '.' is less than '/'.
func sortKey(entry fs.DirEntry) string {
	if entry.IsDir() {
		return entry.Name() + "/"
	}
	return entry.Name()
}

func (w *walker) entry(path string, entry fs.DirEntry) bool {
	switch {
	case ignored(entry.Name()) || w.skip(filepath.Join(w.root, path)):
		return true
	case entry.IsDir():
		return w.folder(path + "/")
	case !entry.Type().IsRegular() || !picture.IsPictureName(entry.Name()):
		return true
	}
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return true // gone since the folder was listed
	}
	if err != nil {
		return w.yield(storage.FileStat{}, &unreadable{path: path, err: err})
	}
	return w.yield(storage.FileStat{Path: path, Size: info.Size(), ModTime: info.ModTime().UnixNano()}, nil)
}

// ignored names what cameras, systems and file servers leave in photo
// folders and nobody took: resource forks, thumbnails, bins.
func ignored(name string) bool {
	switch name {
	case ".DS_Store", "@eaDir", "#recycle", ".thumbnails", "$RECYCLE.BIN", "lost+found":
		return true
	}
	return strings.HasPrefix(name, "._") || strings.HasPrefix(name, ".trash") || strings.HasPrefix(name, ".Trash")
}
