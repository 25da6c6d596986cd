package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"shoebox/search/columns"
	"shoebox/storage"
)

// What a generation keeps beside its documents, in the same batches.
var (
	keyFingerprint = []byte("shoebox fingerprint") // of the language
	keyCursor      = []byte("shoebox cursor")      // JSON; none: the beginning
	keyColumns     = []byte("shoebox columns")     // JSON, columns.State; none: none
)

// boltTimeout is how long to wait for a program that is not ours and has the
// index open. Without it Bleve waits forever.
const boltTimeout = time.Second

// generation is an open Bleve index with its columns.
type generation struct {
	path         string
	index        bleve.Index
	columns      *columns.Columns
	language     *language
	synonyms     *synonyms
	vocabularies sync.Map // model -> *vocabulary
	slots        slotCache
	// panicked gets what killed one of Bleve's background goroutines; from
	// then on a batch may wait for ever.
	panicked chan error
	dead     bool
	// While it is built, no batch waits for the disk, and unpersisted gets
	// what Bleve could not write.
	building    bool
	unpersisted chan error
}

// troubled finds the generation that a background goroutine of Bleve belongs
// to: store path -> *generation. Bleve offers no other way to hear of them.
var troubled sync.Map

const onAsyncError = "shoebox"

func init() {
	scorch.RegistryAsyncErrorCallbacks[onAsyncError] = func(err error, store string) {
		found, ok := troubled.Load(store)
		if !ok {
			return
		}
		g := found.(*generation)
		to := g.panicked
		switch {
		case errors.Is(err, scorch.ErrAsyncPanic):
		case errors.Is(err, scorch.ErrPersist) && g.building:
			to = g.unpersisted
		default:
			return // the batch that met it returns it
		}
		select {
		case to <- err:
		default:
		}
	}
}

func newGeneration(path string) (*generation, error) {
	language, err := newLanguage()
	if err != nil {
		return nil, err
	}
	// path is DATA/search/gen-N.
	synonyms, err := newSynonyms(language, filepath.Join(filepath.Dir(filepath.Dir(path)), "synonyms.txt"))
	if err != nil {
		return nil, err
	}
	g := &generation{path: path, language: language, synonyms: synonyms, panicked: make(chan error, 1), unpersisted: make(chan error, 1)}
	troubled.Store(g.store(), g)
	return g, nil
}

func (g *generation) store() string { return filepath.Join(g.path, "store") }

func (g *generation) columnsDir() string { return filepath.Join(g.path, "columns") }

func bleveConfig(readOnly bool) map[string]any {
	return map[string]any{
		"bolt_timeout":           boltTimeout.String(),
		"read_only":              readOnly,
		"asyncErrorCallbackName": onAsyncError,
		"unsafe_batch":           false, // Bleve remembers what createGeneration says
	}
}

// createGeneration makes an empty index at path, where nothing is. It is made
// to be built: its batches are not waited for until settle, which halves the
// time, and whatever a killed process leaves of it is thrown away.
func createGeneration(path string) (g *generation, err error) {
	if g, err = newGeneration(path); err != nil {
		return nil, err
	}
	fingerprint, err := g.language.fingerprint()
	if err != nil {
		return nil, err
	}
	g.building = true
	config := bleveConfig(false)
	config["unsafe_batch"] = true
	g.index, err = bleve.NewUsing(path, g.language.mapping, scorch.Name, scorch.Name, config)
	if err != nil {
		return nil, fmt.Errorf("creating the search index %s: %w", path, err)
	}
	batch := g.index.NewBatch()
	batch.SetInternal(keyFingerprint, []byte(fingerprint))
	err = g.write(batch)
	if err == nil {
		err = g.openColumns(false)
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// settle waits until a generation that has been built is on disk.
func (g *generation) settle(ctx context.Context) error {
	batch := g.index.NewBatch()
	cursor, err := g.index.GetInternal(keyCursor)
	if err != nil {
		return err
	}
	batch.SetInternal(keyCursor, cursor)
	onDisk := make(chan error, 1)
	batch.SetPersistedCallback(func(err error) { onDisk <- err })
	if err := errors.Join(g.columns.Writer().Sync(), g.write(batch)); err != nil {
		return err
	}
	select {
	case err := <-onDisk:
		return err
	case cause := <-g.unpersisted:
		return fmt.Errorf("writing the search index %s: %w", g.path, cause)
	case cause := <-g.panicked:
		g.dead = true
		return damaged(g.path, cause)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// openColumns opens the columns as the last commit left them.
func (g *generation) openColumns(readOnly bool) error {
	var state columns.State
	data, err := g.index.GetInternal(keyColumns)
	if err == nil && data != nil {
		err = json.Unmarshal(data, &state)
	}
	if err != nil {
		return damaged(g.path, err)
	}
	g.columns, err = columns.Open(g.columnsDir(), state, readOnly)
	for _, kind := range []columns.Kind{columns.Cameras, columns.Lenses, columns.Folders} {
		// Whoever adds names needs those that are there: one that is not would
		// be begun anew.
		if err == nil && !readOnly {
			_, err = g.columns.View().Names(kind)
		}
	}
	if errors.Is(err, columns.ErrDamaged) {
		return damaged(g.path, err)
	}
	return err
}

// openGeneration opens the index at path. ErrDamaged and ErrOutdated mean that
// it has to be built again. It is looked at read-only first: opened for
// writing, a damaged one could end the process from a background goroutine.
func openGeneration(path string, readOnly bool) (*generation, error) {
	g, err := newGeneration(path)
	if err != nil {
		return nil, err
	}
	if err := g.open(readOnly); err != nil {
		return nil, errors.Join(err, g.closeDamaged())
	}
	return g, nil
}

// open opens what is at the path. After an error, or a panic over what is on
// disk, it may be open by half.
func (g *generation) open(readOnly bool) (err error) {
	defer g.survive(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err := checkBolt(filepath.Join(g.store(), "root.bolt")); err != nil {
		return err
	}
	if g.index, err = bleve.OpenUsing(g.path, bleveConfig(true)); err != nil {
		return damaged(g.path, err)
	}
	if err := errors.Join(g.checkNewest(), g.checkForm()); err != nil {
		return err
	}
	if !readOnly {
		if err := g.index.Close(); err != nil {
			return err
		}
		if g.index, err = bleve.OpenUsing(g.path, bleveConfig(false)); err != nil {
			return damaged(g.path, err)
		}
	}
	if err := g.openColumns(readOnly); err != nil {
		return err
	}
	return g.checkCounts()
}

// closeDamaged closes what may be open by half.
func (g *generation) closeDamaged() (err error) {
	defer g.survive(&err)
	return g.close()
}

// checkCounts makes sure that texts and columns are of the same photos. A
// writer that was killed may have taken photos out of the columns only.
func (g *generation) checkCounts() error {
	documents, err := g.index.DocCount()
	if err != nil {
		return err
	}
	photos, slots := 0, 0
	for _, b := range g.columns.View().Blocks {
		var live columns.Bits
		live.OrAtLeast(b.Flags(), 1, nil)
		photos += live.Count()
		slots += b.Slots
	}
	if documents < uint64(photos) || documents > uint64(slots) {
		return damaged(g.path, fmt.Sprintf("%d photos in the texts, %d in the columns", documents, photos))
	}
	return nil
}

// checkNewest makes sure that Bleve opened the newest snapshot. Where that one
// cannot be read it silently takes the one before, and after the next write
// loses that too.
func (g *generation) checkNewest() error {
	advanced, err := g.index.Advanced()
	if err != nil {
		return err
	}
	s, ok := advanced.(*scorch.Scorch)
	if !ok {
		return damaged(g.path, "not an index of this kind")
	}
	epochs, err := s.RootBoltSnapshotEpochs() // newest first
	if err != nil {
		return damaged(g.path, err)
	}
	if len(epochs) == 0 {
		return damaged(g.path, "it holds no snapshot")
	}
	snapshot, err := s.LoadSnapshot(epochs[0])
	if err != nil {
		return damaged(g.path, err)
	}
	return snapshot.Close()
}

func damaged(path string, cause any) error {
	// Bleve appends what it could not read, lines of it.
	first, _, _ := strings.Cut(fmt.Sprint(cause), "\n")
	return fmt.Errorf("%w: %s: %s; `shoebox index` builds it again", ErrDamaged, path, first)
}

// survive turns a panic over what is on disk into ErrDamaged. It is deferred.
func (g *generation) survive(err *error) {
	if r := recover(); r != nil {
		*err = damaged(g.path, r)
	}
}

// checkBolt looks whether the file that names the index's segments is whole.
// Were it cut off, a background goroutine would read beyond its end and take
// the process along.
func checkBolt(path string) error {
	file, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return damaged(path, "it is missing")
	case err != nil:
		return err
	case file.Size() == 0:
		return damaged(path, "it is empty")
	}
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: boltTimeout})
	var pathError *fs.PathError
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("%w: %s has %s open", ErrLocked, holder(path), path)
	case errors.As(err, &pathError):
		return err // no rights, too many open files
	case err != nil:
		return damaged(path, err)
	}
	defer func() { _ = db.Close() }()
	return db.View(func(tx *bbolt.Tx) error {
		if file.Size() < tx.Size() {
			return damaged(path, fmt.Sprintf("%d bytes of %d are there", file.Size(), tx.Size()))
		}
		return nil
	})
}

func (g *generation) checkForm() error {
	want, err := g.language.fingerprint()
	if err != nil {
		return err
	}
	got, err := g.index.GetInternal(keyFingerprint)
	if err != nil {
		return damaged(g.path, err)
	}
	if string(got) != want {
		return fmt.Errorf("%w (%s); `shoebox index` builds it again", ErrOutdated, g.path)
	}
	return nil
}

// close may be called again.
func (g *generation) close() error {
	troubled.Delete(g.store())
	var err error
	if g.columns != nil {
		err = g.columns.Close()
		g.columns = nil
	}
	if g.index != nil && !g.dead { // else closing it would wait for the batch that never ends
		err = errors.Join(err, g.index.Close())
	}
	g.index = nil
	return err
}

func (g *generation) cursor() (c storage.Cursor, err error) {
	data, err := g.index.GetInternal(keyCursor)
	if err != nil || data == nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, damaged(g.path, err)
	}
	return c, nil
}

func (g *generation) info() (Info, error) {
	cursor, err := g.cursor()
	if err != nil {
		return Info{}, err
	}
	photos, err := g.index.DocCount()
	return Info{Photos: photos, Cursor: cursor}, err
}

// write waits until the batch is on disk or, while the generation is built, has
// been taken over.
func (g *generation) write(batch *bleve.Batch) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer g.survive(&err)
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		if err = g.index.Batch(batch); err != nil {
			err = fmt.Errorf("writing the search index %s: %w", g.path, err)
		}
	}()
	select {
	case err := <-done:
		return err
	case cause := <-g.panicked:
		g.dead = true
		return damaged(g.path, cause)
	}
}
