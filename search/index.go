package search

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Index is an index that this process holds: it alone projects into it, and
// with Serve answers for everybody. It is a Searcher.
type Index struct {
	dir        string
	lock       *os.File
	projecting chan struct{} // holds one token while a projection runs

	mu   sync.RWMutex // shared while a generation is used, exclusive to change which
	live *generation  // nil: what is on disk has to be built again first
	next *generation  // what is being built; nil: nothing is

	built atomic.Int64 // photos in the generation that is being built

	closing context.Context // ends when Close is called
	end     context.CancelFunc
}

// OpenWriter takes hold of the index in dir. ErrLocked: another process holds
// it, and projects (CatchUp asks it to). An index that is not there, damaged or
// outdated is opened all the same: the next Project builds it, and searches
// meanwhile answer from what is there already.
func OpenWriter(dir string) (*Index, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockForWriting(dir)
	if err != nil {
		return nil, err
	}
	ix := &Index{dir: dir, lock: lock, projecting: make(chan struct{}, 1)}
	ix.closing, ix.end = context.WithCancel(context.Background())
	if err := ix.openLive(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := ix.sweep(); err != nil {
		return nil, errors.Join(err, ix.Close())
	}
	return ix, nil
}

// openLive opens the current generation, if there is one that can be read.
func (ix *Index) openLive() error {
	path, err := currentGeneration(ix.dir)
	if errors.Is(err, ErrNoIndex) {
		return nil
	}
	if err == nil && ix.markedDamaged() {
		err = damaged(path, "a search could not read it")
	}
	if err == nil {
		ix.live, err = openGeneration(path, false) // nil with an error
	}
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrOutdated) {
		slog.Warn("the search index has to be built again", "cause", err)
		return nil
	}
	return err
}

const (
	currentLink      = "current"
	generationPrefix = "gen-"
	// damagedMark is a file: a search met damage that opening does not show.
	damagedMark = "damaged"
)

// currentGeneration is the folder of the generation to search.
func currentGeneration(dir string) (string, error) {
	name, err := os.Readlink(filepath.Join(dir, currentLink))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w in %s: shoebox index DIR makes one", ErrNoIndex, dir)
	case err != nil:
		return "", damaged(dir, err)
	}
	return filepath.Join(dir, filepath.Base(name)), nil
}

// createNext makes an empty generation beside the current one. Searches use
// it where there is no current one.
func (ix *Index) createNext() (*generation, error) {
	number := 0
	if path, err := currentGeneration(ix.dir); err == nil {
		number, _ = strconv.Atoi(strings.TrimPrefix(filepath.Base(path), generationPrefix))
	}
	path := filepath.Join(ix.dir, generationPrefix+strconv.Itoa(number+1))
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	next, err := createGeneration(path)
	if err != nil {
		return nil, err
	}
	ix.mu.Lock()
	ix.next = next
	ix.mu.Unlock()
	ix.built.Store(0)
	return next, nil
}

// dropNext removes a generation that could not be built to its end.
func (ix *Index) dropNext(next *generation) error {
	ix.mu.Lock()
	ix.next = nil
	ix.mu.Unlock()
	return errors.Join(next.close(), os.RemoveAll(next.path))
}

// replaceLive makes next the generation that is searched, here and by whoever
// opens the index from now on, and drops the one before.
func (ix *Index) replaceLive(ctx context.Context, next *generation) error {
	if err := next.settle(ctx); err != nil {
		return err
	}
	settled, err := ix.reopenNext(next)
	if err != nil {
		return err
	}
	link := filepath.Join(ix.dir, currentLink)
	err = os.RemoveAll(link + ".new")
	if err == nil {
		err = os.Symlink(filepath.Base(settled.path), link+".new")
	}
	if err == nil {
		err = os.Rename(link+".new", link)
	}
	ix.mu.Lock()
	old := ix.live
	ix.next = nil
	if err == nil {
		ix.live = settled
	}
	ix.mu.Unlock()
	if err != nil {
		return errors.Join(err, settled.close())
	}
	if err := os.Remove(filepath.Join(ix.dir, damagedMark)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Warn("the search index will be built once more", "cause", err)
	}
	if old != nil {
		if err := old.close(); err != nil {
			slog.Warn("closing the search index that was replaced", "cause", err)
		}
	}
	return nil
}

// reopenNext opens the generation that has been built to be changed. Searches
// that read it wait meanwhile.
func (ix *Index) reopenNext(next *generation) (*generation, error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.next = nil
	if err := next.close(); err != nil {
		return nil, err
	}
	settled, err := openGeneration(next.path, false)
	if err == nil {
		ix.next = settled
	}
	return settled, err
}

// sweep removes every generation but the current one: what a swap replaced,
// and what a process that was killed had begun to build.
func (ix *Index) sweep() error {
	current, _ := currentGeneration(ix.dir) // none is kept if that is damaged
	entries, err := os.ReadDir(ix.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(ix.dir, entry.Name())
		if strings.HasPrefix(entry.Name(), generationPrefix) && path != current {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// Search implements Searcher.
func (ix *Index) Search(ctx context.Context, r Request) (Result, error) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if ix.live != nil {
		return searchOrMark(ctx, ix.dir, ix.live, r)
	}
	if ix.next == nil {
		return Result{}, ix.isBuilding()
	}
	result, err := ix.next.search(ctx, r)
	result.Building = &Building{Photos: ix.built.Load()}
	return result, err
}

// searchOrMark searches a generation and has it built again by the next
// Project if it turns out to be damaged.
func searchOrMark(ctx context.Context, dir string, g *generation, r Request) (Result, error) {
	result, err := g.search(ctx, r)
	if errors.Is(err, ErrDamaged) {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, damagedMark), []byte(err.Error()), 0o600))
	}
	return result, err
}

func (ix *Index) markedDamaged() bool {
	_, err := os.Stat(filepath.Join(ix.dir, damagedMark))
	return err == nil
}

// Info implements Searcher.
func (ix *Index) Info(context.Context) (Info, error) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if ix.live == nil {
		return Info{}, ix.isBuilding()
	}
	return ix.live.info()
}

func (ix *Index) isBuilding() error {
	return fmt.Errorf("%w, %d photos so far: try again in a while", ErrBuilding, ix.built.Load())
}

// Close lets go of the index. It ends a projection that runs, and none begins
// any more. A Serve that still runs must be ended before.
func (ix *Index) Close() error {
	if ix.closing.Err() != nil {
		return nil // it is closed
	}
	ix.end()
	ix.projecting <- struct{}{} // never given back
	ix.mu.Lock()
	defer ix.mu.Unlock()
	var err error
	if ix.live != nil {
		err = ix.live.close()
		ix.live = nil
	}
	return errors.Join(err, ix.lock.Close())
}
