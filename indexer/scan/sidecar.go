package scan

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// addSidecar looks for the sidecar of a picture. stat tells what is at a path,
// and that nothing is (ENOENT) where a sidecar would be left out.
func (f *File) addSidecar(stat func(path string, into *unix.Stat_t) error) error {
	for _, path := range picture.SidecarsOf(f.Path) {
		var s unix.Stat_t
		err := stat(path, &s)
		switch {
		case isGone(err) || err == nil && s.Mode&unix.S_IFMT != unix.S_IFREG:
			continue
		case err != nil:
			return err
		}
		f.Sidecar = storage.SidecarStat{Size: s.Size, ModTime: s.Mtim.Nano()}
		f.Changed = max(f.Changed, s.Ctim.Nano())
		return nil
	}
	return nil
}

// sidecars returns the paths of what may be sidecars in a folder.
func (w *walker) sidecars(dir string, rules *rules, entries []fs.DirEntry) map[string]bool {
	found := make(map[string]bool)
	for _, entry := range entries {
		if !picture.IsSidecarName(entry.Name()) {
			continue
		}
		if path := join(dir, entry.Name()); !w.rules.ignores(rules, path, false) {
			found[path] = true
		}
	}
	return found
}

// statSidecar is a stat for addSidecar, of a single picture.
func (l *look) statSidecar(path string, into *unix.Stat_t) error {
	if err := unix.Lstat(filepath.Join(l.folder.Path, path), into); err != nil {
		return err
	}
	dir, _ := split(path)
	rules, _, err := l.rules.in(dir)
	if err == nil && l.rules.ignores(rules, path, false) {
		err = unix.ENOENT
	}
	return err
}

// withPictures adds to paths the pictures to which those of them belong that
// may be sidecars, or were: what is known of a sidecar is known with them.
func (l *look) withPictures(paths []string) []string {
	of := make(map[string]map[string][]string) // by folder
	for _, path := range paths {
		if !picture.IsSidecarName(path) {
			continue
		}
		dir, _ := split(path)
		if of[dir] == nil {
			of[dir] = picturesBySidecar(l.folder.Path, dir)
		}
		paths = append(paths, of[dir][path]...)
	}
	return paths
}

// picturesBySidecar lists the pictures in a folder by the paths that their
// sidecars may have. A folder that cannot be listed has none: what becomes of
// its pictures is not for a sidecar to tell.
func picturesBySidecar(root, dir string) map[string][]string {
	pictures := make(map[string][]string)
	entries, _ := os.ReadDir(filepath.Join(root, dir))
	for _, entry := range entries {
		if !picture.IsPictureName(entry.Name()) {
			continue
		}
		path := join(dir, entry.Name())
		for _, sidecar := range picture.SidecarsOf(path) {
			pictures[sidecar] = append(pictures[sidecar], path)
		}
	}
	return pictures
}
