package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
	"time"
)

// A backup is a gzipped tar that ordinary tools can read when there is no
// shoebox any more:
//
//	shoebox.json          what is inside: archiveHeader
//	TABLE/000001.csv ...  the rows, a few megabytes a file, each with the names
//	                      of the columns in its first line
//	sums.json             rows and checksum of each table: archiveSums. A
//	                      backup without it was cut off
const (
	archiveFormat  = 1
	archiveHeading = "shoebox.json"
	archiveEnd     = "sums.json"
	// partSize bounds the memory of a backup and, as a part is loaded by one
	// statement, what the triggers of a restore have to remember.
	partSize = 4 << 20
)

type archiveHeader struct {
	Format int            `json:"format"`
	Schema int64          `json:"schema"` // the version that the tables had
	MadeAt time.Time      `json:"made_at"`
	Tables []archiveTable `json:"tables"` // in the order in which they can be loaded
}

type archiveTable struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

type archiveSums struct {
	Tables []tableSum `json:"tables"`
}

type tableSum struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"` // of its files, one behind the other
}

// archiveWriter writes a backup.
type archiveWriter struct {
	zip  *gzip.Writer
	tar  *tar.Writer
	made time.Time
	sums archiveSums
}

func newArchiveWriter(out io.Writer, header archiveHeader) (*archiveWriter, error) {
	// Twice as large as with the best compression, and ten times faster.
	zip, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	w := &archiveWriter{zip: zip, tar: tar.NewWriter(zip), made: header.MadeAt}
	return w, w.writeJSON(archiveHeading, header)
}

func (w *archiveWriter) writeJSON(name string, object any) error {
	text, err := json.MarshalIndent(object, "", "  ")
	if err != nil {
		return err
	}
	return w.write(name, append(text, '\n'))
}

func (w *archiveWriter) write(name string, data []byte) error {
	err := w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: w.made})
	if err != nil {
		return err
	}
	_, err = w.tar.Write(data)
	return err
}

// table writes the rows that copyRows gives, one a call to Write, and returns
// how many there were.
func (w *archiveWriter) table(t archiveTable, copyRows func(io.Writer) (int64, error)) (int64, error) {
	part := &partWriter{archive: w, table: t, sum: sha256.New()}
	part.begin()
	rows, err := copyRows(part)
	if err == nil {
		err = part.flush()
	}
	w.sums.Tables = append(w.sums.Tables, tableSum{t.Name, rows, hex.EncodeToString(part.sum.Sum(nil))})
	return rows, err
}

// Close writes the sums: without them the backup counts as cut off.
func (w *archiveWriter) Close() error {
	return errors.Join(w.writeJSON(archiveEnd, w.sums), w.tar.Close(), w.zip.Close())
}

// partWriter cuts the rows of a table into files.
type partWriter struct {
	archive *archiveWriter
	table   archiveTable
	sum     hash.Hash
	buffer  bytes.Buffer
	parts   int
}

func (p *partWriter) begin() {
	p.buffer.Reset()
	p.buffer.WriteString(strings.Join(p.table.Columns, ",") + "\n")
}

func (p *partWriter) Write(row []byte) (int, error) {
	p.buffer.Write(row)
	if p.buffer.Len() < partSize {
		return len(row), nil
	}
	if err := p.flush(); err != nil {
		return 0, err
	}
	p.begin()
	return len(row), nil
}

func (p *partWriter) flush() error {
	p.parts++
	p.sum.Write(p.buffer.Bytes())
	return p.archive.write(fmt.Sprintf("%s/%06d.csv", p.table.Name, p.parts), p.buffer.Bytes())
}

// errNoBackup and errCutOff say what is wrong with a file as a whole.
var (
	errNoBackup = errors.New("this is not a backup of shoebox")
	errCutOff   = errors.New("the backup is damaged or was cut off")
)

// archiveReader reads a backup from front to back.
type archiveReader struct {
	header archiveHeader
	tar    *tar.Reader
}

func newArchiveReader(in io.Reader) (*archiveReader, error) {
	zip, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoBackup, err)
	}
	r := &archiveReader{tar: tar.NewReader(zip)}
	entry, err := r.tar.Next()
	if err != nil || entry.Name != archiveHeading {
		return nil, errors.Join(errNoBackup, err)
	}
	if err := json.NewDecoder(r.tar).Decode(&r.header); err != nil {
		return nil, fmt.Errorf("%w: %w", errCutOff, err)
	}
	if r.header.Format != archiveFormat {
		return nil, fmt.Errorf("the backup has format %d, this shoebox reads %d: use the version that wrote it", r.header.Format, archiveFormat)
	}
	return r, nil
}

// load gives the parts of each table to loadPart, which returns the number of
// rows, and compares what came with the sums.
func (r *archiveReader) load(loadPart func(archiveTable, io.Reader) (int64, error)) (archiveSums, error) {
	tables := make(map[string]archiveTable)
	sums := make(map[string]hash.Hash)
	rows := make(map[string]int64)
	for _, t := range r.header.Tables {
		tables[t.Name], sums[t.Name] = t, sha256.New()
	}
	for {
		entry, err := r.tar.Next()
		if err != nil {
			return archiveSums{}, fmt.Errorf("%w: %w", errCutOff, err)
		}
		if entry.Name == archiveEnd {
			break
		}
		table, known := tables[path.Dir(entry.Name)]
		if !known {
			return archiveSums{}, fmt.Errorf("%w: it holds %q", errCutOff, entry.Name)
		}
		part := &partReader{in: io.TeeReader(r.tar, sums[table.Name])}
		n, err := loadPart(table, part)
		if part.broke != nil { // which the server tells in its own words
			return archiveSums{}, fmt.Errorf("%w: %s: %w", errCutOff, entry.Name, part.broke)
		}
		if err != nil {
			return archiveSums{}, fmt.Errorf("%s of the backup: %w", entry.Name, err)
		}
		rows[table.Name] += n
	}
	var want archiveSums
	if err := json.NewDecoder(r.tar).Decode(&want); err != nil {
		return want, fmt.Errorf("%w: %w", errCutOff, err)
	}
	for _, w := range want.Tables {
		sum, known := sums[w.Name]
		if !known || w.SHA256 != hex.EncodeToString(sum.Sum(nil)) || w.Rows != rows[w.Name] {
			return want, fmt.Errorf("%w: %d rows of table %s are not the %d that were written", errCutOff, rows[w.Name], w.Name, w.Rows)
		}
		delete(sums, w.Name)
	}
	if len(sums) > 0 {
		return want, fmt.Errorf("%w: the sums of %d tables are missing", errCutOff, len(sums))
	}
	return want, nil
}

// partReader remembers why it could not be read to its end.
type partReader struct {
	in    io.Reader
	broke error
}

func (p *partReader) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		p.broke = err
	}
	return n, err
}

// IsBackup reports whether in begins as a backup does.
func IsBackup(in io.Reader) bool {
	_, err := newArchiveReader(in)
	return err == nil
}
