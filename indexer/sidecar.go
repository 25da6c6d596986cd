package indexer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"shoebox/captioner/picture"
	"shoebox/indexer/scan"
	"shoebox/storage"
)

// readSidecar reads what people wrote beside a picture. One that cannot be read
// says nothing until it changes, and is no failure of the picture.
func (w *Worker) readSidecar(ctx context.Context, it *item, root Root) error {
	claim := it.result.Claim
	if claim.Sidecar == (storage.SidecarStat{}) {
		return nil
	}
	path := filepath.Join(root.Path, claim.Path)
	said, err := within(readLimit, func() (storage.Sidecar, error) { return readSidecarOf(ctx, path, claim.Sidecar) })
	switch {
	case err == nil && !said.IsZero():
		it.result.Sidecar = &said
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errHangs) || !scan.Stands(root.Path, root.Info):
		w.dropRoot(claim.FolderID)
		it.givenBack = true
	case errors.Is(err, fs.ErrNotExist) && root.Scanned && isGone(path):
		it.gone = true // the picture, too: a disk below the root may be away
	default:
		slog.Warn("a sidecar cannot be read, and counts again when it changes", "picture", path, "error", err)
	}
	return nil
}

// readSidecarOf finds the sidecar of a picture and reads it: the one that the
// scan saw or, when that has changed since, the first that is there.
func readSidecarOf(ctx context.Context, path string, seen storage.SidecarStat) (storage.Sidecar, error) {
	found, size := "", int64(0)
	for _, name := range picture.SidecarsOf(path) {
		info, err := os.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		asSeen := seen == storage.SidecarStat{Size: info.Size(), ModTime: info.ModTime().UnixNano()}
		if found == "" || asSeen {
			found, size = name, info.Size()
		}
		if asSeen {
			break
		}
	}
	if found == "" {
		return storage.Sidecar{}, fs.ErrNotExist
	}
	if size > picture.MaxSidecarSize {
		return storage.Sidecar{}, fmt.Errorf("%s: %d MB are more than the %d MB that a sidecar may have",
			found, size>>20, picture.MaxSidecarSize>>20)
	}
	data, err := readStable(ctx, found, picture.MaxSidecarSize)
	if err != nil {
		return storage.Sidecar{}, err
	}
	said, err := picture.ReadSidecar(data)
	if err != nil {
		return storage.Sidecar{}, fmt.Errorf("%s: %w", found, err)
	}
	return said, nil
}

func isGone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
