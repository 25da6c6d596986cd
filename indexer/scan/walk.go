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

	"golang.org/x/sys/unix"

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

// File is a picture that a walk has found.
type File struct {
	storage.FileStat
	// Changed is when its name, content, size or times, or its sidecar's, last
	// changed, in nanoseconds since the epoch (ctime): nobody can set it to the
	// past.
	Changed int64
}

func newFile(path string, stat *unix.Stat_t) File {
	return File{storage.FileStat{Path: path, Size: stat.Size, ModTime: stat.Mtim.Nano()}, stat.Ctim.Nano()}
}

// walk lists the pictures below a folder in byte order of their paths, which
// are relative to the root. A folder or file that cannot be looked at is
// yielded as an error of type *unreadable and the walk goes on; any other
// error ends it. Symbolic links are not followed: a loop would never end, and
// a link to an unmounted disk would look like deleted photos. The root itself
// may be one.
func (l *look) walk(dir string) iter.Seq2[File, error] {
	rules, out, err := l.rules.in(dir)
	return func(yield func(File, error) bool) {
		switch {
		case err != nil:
			yield(File{}, &unreadable{path: dir, err: err})
		case !out:
			w := walker{ctx: l.ctx, rules: l.rules, enter: l.options.Enter, yield: yield}
			w.folder(dir, rules.outside(dir))
		}
	}
}

type walker struct {
	ctx   context.Context
	rules *ruleBook
	enter func(dir string) // may be nil
	yield func(File, error) bool
}

// folder walks one folder, given relative to the root, under the rules of the
// folder above it. It returns false when the walk must stop.
func (w *walker) folder(dir string, rules *rules) bool {
	if err := w.ctx.Err(); err != nil {
		return w.yield(File{}, err)
	}
	if w.enter != nil {
		w.enter(dir)
	}
	entries, rules, err := w.list(dir, rules)
	if isGone(err) {
		return true // since the folder above it was listed
	}
	if err != nil {
		return w.yield(File{}, &unreadable{path: dir, err: cause(err)})
	}
	for _, e := range entries {
		var on bool
		switch {
		case e.isDir:
			on = w.folder(e.file.Path, rules)
		case e.err != nil:
			on = w.yield(File{}, &unreadable{path: e.file.Path, err: e.err})
		default:
			on = w.yield(e.file, nil)
		}
		if !on {
			return false
		}
	}
	return true
}

// entry is a folder or a picture in a folder.
type entry struct {
	file  File // of a folder, the path only
	isDir bool
	err   error
}

// key makes the order that of whole paths: "a.jpg" comes before "a/b.jpg",
// because '.' is less than '/'.
func (e entry) key() string {
	if e.isDir {
		return e.file.Path + "/"
	}
	return e.file.Path
}

// list returns what is in a folder and not left out, in order, and the rules
// that hold there.
func (w *walker) list(dir string, above *rules) ([]entry, *rules, error) {
	folder, err := os.Open(filepath.Join(w.rules.root, dir))
	if err != nil {
		return nil, nil, err
	}
	defer folder.Close()
	names, err := folder.ReadDir(-1)
	if err != nil {
		return nil, nil, err
	}
	rules, err := w.rules.read(dir, above, names)
	if err != nil {
		return nil, nil, err
	}
	sidecars := w.sidecars(dir, rules, names)
	var entries []entry
	for _, name := range names {
		e := entry{isDir: name.IsDir()}
		isPicture := name.Type().IsRegular() && picture.IsPictureName(name.Name())
		if !e.isDir && !isPicture {
			continue
		}
		e.file.Path = join(dir, name.Name())
		if w.rules.ignores(rules, e.file.Path, e.isDir) {
			continue
		}
		if !e.isDir {
			e.file, e.err = stat(folder, e.file.Path, sidecars)
			if isGone(e.err) {
				continue
			}
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key(), b.key()) })
	return entries, rules, nil
}

// stat looks at a picture in an open folder, and at its sidecar if it has one
// of those: the system need not find the way there again for each.
func stat(folder *os.File, path string, sidecars map[string]bool) (File, error) {
	at := func(path string, into *unix.Stat_t) error {
		_, name := split(path)
		return unix.Fstatat(int(folder.Fd()), name, into, unix.AT_SYMLINK_NOFOLLOW)
	}
	var s unix.Stat_t
	err := at(path, &s)
	file := newFile(path, &s)
	if err != nil || len(sidecars) == 0 {
		return file, err
	}
	err = file.addSidecar(func(path string, into *unix.Stat_t) error {
		if !sidecars[path] {
			return unix.ENOENT
		}
		return at(path, into)
	})
	return file, err
}

// isGone says that there is nothing at a path, or below something that is no
// folder.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// join puts a name behind a folder that is relative to the root.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// split takes the last name off a relative path.
func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}
