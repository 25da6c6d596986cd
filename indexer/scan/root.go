package scan

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"shoebox/storage"
)

// What is said of a root that is left alone.
const (
	emptyNow = "holds no pictures any more, an unmounted disk? Nothing was changed; " +
		"`shoebox index --confirm-empty DIR` accepts it, `shoebox folders forget DIR` drops the folder"
	wentAway = "went away while it was scanned, an unmounted disk? The rest was left as it was"
)

// openRoot returns what a root is, or says why it cannot be scanned.
func openRoot(root string) (fs.FileInfo, *Problem) {
	info, err := os.Stat(root)
	switch {
	case err != nil:
		return nil, &Problem{root, fmt.Sprintf("is not there (%v): an unmounted disk? Nothing was changed", errors.Unwrap(err))}
	case !info.IsDir():
		return nil, &Problem{root, "is not a folder. Nothing was changed"}
	}
	dir, err := os.Open(root)
	if err == nil {
		_, err = dir.Readdirnames(1)
		dir.Close()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &Problem{root, fmt.Sprintf("cannot be listed (%v). Nothing was changed", cause(err))}
	}
	return info, nil
}

// cause drops the path from an error whose file is named by what is around it.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// Stands reports whether a root is still the folder it was: a disk that is
// unmounted leaves an empty folder in its place, and what is missing below
// that was not deleted.
func Stands(root string, was fs.FileInfo) bool {
	now, err := os.Stat(root)
	return err == nil && os.SameFile(was, now)
}

// FileSystem names the file system of a root, so that another disk at the
// same place is noticed. The ID that statfs gives is made of the file
// system's UUID on ext4, btrfs and f2fs, and of the device's number on XFS
// and FAT, where it may change when disks are found in another order; a root
// of which that is true is recognised by its files (judgeFileSystem). NFS,
// FUSE and others have no ID: what is mounted says who they are. "" means
// that nothing is known.
func FileSystem(root string) string {
	var stat unix.Statfs_t
	if err := unix.Statfs(root, &stat); err != nil {
		return ""
	}
	if stat.Fsid != (unix.Fsid{}) {
		return fmt.Sprintf("id %x %08x%08x", uint32(stat.Type), uint32(stat.Fsid.Val[0]), uint32(stat.Fsid.Val[1]))
	}
	if source := mountSource(root); source != "" {
		return "mount " + source
	}
	return ""
}

// mountSource finds what is mounted where a root is, "nfs4 nas:/photos", in
// the format of proc(5).
func mountSource(root string) string {
	var stat unix.Stat_t
	if err := unix.Stat(root, &stat); err != nil {
		return ""
	}
	device := fmt.Sprintf("%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev))
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, of := strings.Fields(before), strings.Fields(after)
		if len(fields) > 2 && fields[2] == device && len(of) > 1 {
			return of[0] + " " + of[1]
		}
	}
	return ""
}

// judgeFileSystem looks twice at a root that sits on another file system than
// before. When most of its files are there as they were, it is the same
// library: on a new disk, or on one that was given another number. Anything
// else may be a disk that is mounted in the place of another.
func (l *look) judgeFileSystem() error {
	before := l.folder.FileSystem
	if before == "" || before == l.summary.FileSystem || l.options.ConfirmEmpty {
		return nil
	}
	there, known, err := l.recognise()
	if err != nil || there*2 >= known {
		return err
	}
	return l.leave(fmt.Sprintf("is on another file system than before, where %d of its %d files are not there as they were: "+
		"another disk? Nothing was changed; `shoebox index --confirm-empty DIR` accepts it", known-there, known))
}

// recognise counts the files that are known and present, and those of them
// that are on disk with the same size and time. It changes nothing.
func (l *look) recognise() (there, known int, err error) {
	quiet := &look{ctx: l.ctx, store: l.store, folder: l.folder, rules: l.rules, whole: true}
	quiet.options.Skip = l.options.Skip
	err = quiet.merge("", true, func(onDisk *File, old *storage.KnownFile) error {
		if old == nil || old.Missing {
			return nil
		}
		known++
		if onDisk != nil && onDisk.Size == old.Size && onDisk.ModTime == old.ModTime {
			there++
		}
		return nil
	})
	return there, known, err
}

// stillHolds makes sure, before the first file is recorded as missing, that
// the root is the folder it was when the scan began and holds a picture.
func (l *look) stillHolds() error {
	if !Stands(l.folder.Path, l.summary.Root) || FileSystem(l.folder.Path) != l.summary.FileSystem {
		return l.leave(wentAway)
	}
	if l.whole {
		return nil
	}
	w := walker{ctx: l.ctx, rules: l.rules}
	w.yield = func(_ File, err error) bool {
		l.whole = err == nil
		return !l.whole
	}
	w.folder("", nil)
	if !l.whole {
		return l.leave(emptyNow)
	}
	return nil
}

// gone reports whether there is no picture at a path any more that was not
// seen: what was listed before is older than what storage knows.
func (l *look) gone(path string) bool {
	var stat unix.Stat_t
	if err := unix.Lstat(filepath.Join(l.folder.Path, path), &stat); err != nil {
		return isGone(err)
	}
	isPicture, err := l.rules.isPicture(path, &stat)
	return err == nil && !isPicture
}
