package indexer

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"shoebox/indexer/scan"
	"shoebox/storage"
)

// Library is what a Lookout needs of storage.Store.
type Library interface {
	Folders(ctx context.Context) ([]storage.Folder, error)
	KnownFiles(ctx context.Context, folderID int64) iter.Seq2[storage.KnownFile, error]
}

const (
	// samples is how many of its known files a folder is recognised by: one of
	// them has to be there. An empty mount point has none.
	samples = 20
	// lookLimit is how long a folder may take to be looked at. One on a dead
	// network disk may take for ever.
	lookLimit = 5 * time.Second
)

// Lookout finds out which of the known folders this machine sees, for workers
// that do not scan. It is not for several goroutines.
type Lookout struct {
	library Library
	seen    map[int64]Root
	looking map[int64]<-chan look // a look that takes too long goes on
}

type look struct {
	info fs.FileInfo // nil: the folder is not there
	err  error       // of storage
}

// NewLookout returns a Lookout over the folders of a library.
func NewLookout(library Library) *Lookout {
	return &Lookout{library: library, seen: make(map[int64]Root), looking: make(map[int64]<-chan look)}
}

// Look returns the folders that are there now, for Worker.Refresh.
func (l *Lookout) Look(ctx context.Context) (map[int64]Root, error) {
	folders, err := l.library.Folders(ctx)
	if err != nil {
		return nil, err
	}
	there := make(map[int64]Root)
	for _, folder := range folders {
		info, err := l.lookAt(ctx, folder)
		if err != nil {
			return nil, err
		}
		if info != nil {
			there[folder.ID] = Root{Path: folder.Path, Info: info}
		}
		if _, before := l.seen[folder.ID]; before != (info != nil) {
			slog.Info("a folder is there or not", "folder", folder.Path, "there", info != nil)
		}
	}
	l.seen = there
	return there, nil
}

// lookAt returns what a folder is; nil: it is not there, or does not answer.
func (l *Lookout) lookAt(ctx context.Context, folder storage.Folder) (fs.FileInfo, error) {
	if l.looking[folder.ID] == nil {
		done := make(chan look, 1)
		before := l.seen[folder.ID]
		go func() {
			info, err := l.recognise(ctx, folder, before)
			done <- look{info, err}
		}()
		l.looking[folder.ID] = done
	}
	timer := time.NewTimer(lookLimit)
	defer timer.Stop()
	select {
	case found := <-l.looking[folder.ID]:
		delete(l.looking, folder.ID)
		return found.info, found.err
	case <-timer.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *Lookout) recognise(ctx context.Context, folder storage.Folder, before Root) (fs.FileInfo, error) {
	if before.Path == folder.Path && scan.Stands(folder.Path, before.Info) {
		return before.Info, nil
	}
	info, err := os.Stat(folder.Path)
	if err != nil || !info.IsDir() {
		return nil, nil
	}
	asked := 0
	for file, err := range l.library.KnownFiles(ctx, folder.ID) {
		if err != nil {
			return nil, err
		}
		if file.Missing {
			continue
		}
		_, err := os.Lstat(filepath.Join(folder.Path, file.Path))
		if err == nil {
			return info, nil
		}
		if asked++; asked == samples || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, nil
}
