// Package storage says what is known about photos: the types that every other
// package speaks in, and the one interface behind which they are kept.
//
// It never talks to a database, a file system or a model itself and imports
// none of shoebox's other packages. storage/postgres implements Store;
// storage/storagetest holds the tests every implementation must pass.
package storage

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"
)

// ErrSchemaNewer is returned when the database was migrated by a newer
// shoebox than this one. Nothing is read or written then.
var ErrSchemaNewer = errors.New("the database was made by a newer shoebox")

// ErrUnknownFolder is returned for a folder that is not indexed.
var ErrUnknownFolder = errors.New("folder is not indexed")

// PhotoID identifies a photo: the SHA-256 of the bytes of its file.
type PhotoID [32]byte

// String returns the hexadecimal form that users see.
func (id PhotoID) String() string { return hex.EncodeToString(id[:]) }

// ParsePhotoID reads the form that String writes.
func ParsePhotoID(s string) (PhotoID, error) {
	var id PhotoID
	if b, err := hex.DecodeString(s); err != nil || copy(id[:], b) != len(id) || len(b) != len(id) {
		return PhotoID{}, fmt.Errorf("%q is not a photo: want 64 hexadecimal digits", s)
	}
	return id, nil
}

// FileState is where a file stands in the queue.
type FileState string

// The states of a file. A file goes pending -> leased -> one of the other
// three, and back to pending when its size or modification time changes.
const (
	Pending     FileState = "pending"
	Leased      FileState = "leased"
	Done        FileState = "done"
	Failed      FileState = "failed"
	Unsupported FileState = "unsupported"
)

// Folder is a root that a person asked to be indexed.
type Folder struct {
	ID   int64
	Path string // absolute; the bytes of the name, not necessarily UTF-8
	// Present says whether the folder could be listed at its last scan.
	Present bool
	// ScannedAt is when the last full scan ended; zero before the first.
	ScannedAt time.Time
}

// FileStat is what a directory walk sees of a file.
type FileStat struct {
	Path    string // relative to the folder, slash separated, raw bytes
	Size    int64  // bytes
	ModTime int64  // nanoseconds since the epoch
}

// KnownFile is what storage remembers of a file.
type KnownFile struct {
	ID int64
	FileStat
	Missing bool // not there at the last scan
	State   FileState
	// DecoderVersion is the version of the decoders that said Unsupported;
	// zero in every other state.
	DecoderVersion int
}

// ScanChanges is what one part of a scan found to be different.
type ScanChanges struct {
	// Upserts are files that are new or whose size or time changed (and
	// files to ask again): they become pending and present.
	Upserts []FileStat
	// Restored are the IDs of files that came back unchanged.
	Restored []int64
	// Missing are the IDs of files that are no longer there.
	Missing []int64
}

// Owner is a running worker process, precisely enough to tell a dead one
// from another that was given the same process ID.
type Owner struct {
	Machine   string
	PID       int
	StartedAt int64 // clock ticks since boot, from /proc/PID/stat
}

// String is the form in which leases carry their owner.
func (o Owner) String() string { return fmt.Sprintf("%s/%d/%d", o.Machine, o.PID, o.StartedAt) }

// Claim is a file that a worker holds a lease on.
type Claim struct {
	FileID     int64
	FolderID   int64
	FolderPath string
	FileStat
}

// Metadata is what a camera or a program wrote into a picture. The zero
// value of each field means that the file does not say.
type Metadata struct {
	Taken        Taken
	Make         string
	Camera       string // make and model as people say it, "Canon EOS 40D"
	Lens         string
	ExposureTime float64 // seconds
	FNumber      float64
	ISO          int
	FocalLength  float64   // millimetres
	Location     *Location // nil: none
}

// Taken is the moment a picture was taken, as the camera's clock showed it.
type Taken struct {
	// Clock is the wall clock time, in UTC whatever the zone was, so that
	// it never shifts. Zero: unknown.
	Clock time.Time
	// Offset is the zone's distance from UTC in minutes; nil: the file does
	// not say, which is usual.
	Offset *int
}

// IsZero reports whether the moment is unknown.
func (t Taken) IsZero() bool { return t.Clock.IsZero() }

// String writes RFC 3339; an unknown offset is written -00:00 (RFC 3339,
// section 4.3). It is empty when the moment is unknown.
func (t Taken) String() string {
	switch {
	case t.IsZero():
		return ""
	case t.Offset == nil:
		return t.Clock.Format("2006-01-02T15:04:05") + "-00:00"
	default:
		zone := time.FixedZone("", *t.Offset*60)
		c := t.Clock
		return time.Date(c.Year(), c.Month(), c.Day(), c.Hour(), c.Minute(), c.Second(), 0, zone).
			Format(time.RFC3339)
	}
}

// Location is a place on Earth in degrees, WGS 84.
type Location struct{ Lat, Lon float64 }

// Photo is everything known about one content, whatever its files.
type Photo struct {
	ID     PhotoID
	Pixels [32]byte // SHA-256 of the upright pixels that the model saw
	Format string   // "jpeg", "png", "webp", "gif", "tiff", "bmp"
	Width  int      // upright, pixels
	Height int
	// Damaged says that the file was cut off and part of the picture is
	// missing.
	Damaged bool
	Metadata
	Caption
}

// Caption is a sentence about a picture and who wrote it.
type Caption struct {
	Text   string
	Score  float64 // how sure the model is, nats a token, at most 0 (model.json says how it counts); 0 for a person's
	Unsure bool    // the score is below the model's threshold
	Model  string  // hash of the model that wrote it
	// Edited says that a person wrote Text: no model ever replaces it.
	Edited bool
}

// Result is what became of a claimed file: Photo is set when its content is
// new, Failure when it has no caption, and neither when the content is known
// already and the file only has to be linked to it.
type Result struct {
	Claim Claim
	// PhotoID is the content that was read; zero when reading failed.
	PhotoID PhotoID
	Photo   *Photo
	Failure *Failure
}

// Failure is why a file has no caption.
type Failure struct {
	State          FileState // Failed or Unsupported
	Code           string    // short, stable, "truncated", "too-large", "io"
	Text           string    // for people: what happened and what to do
	DecoderVersion int       // set with Unsupported
}

// FailedFile is a line of `shoebox failures`.
type FailedFile struct {
	Path  string // absolute
	State FileState
	Code  string
	Text  string
	Since time.Time
}

// Counts says how many present files are in each state.
type Counts struct {
	Pending, Leased, Done, Failed, Unsupported int
	// Missing files are counted here and nowhere else.
	Missing int
}

// Status is what `shoebox status` shows of storage.
type Status struct {
	Folders []FolderStatus
	Total   Counts
	Photos  int // distinct contents with a caption
	// Unsure photos have a caption that the model doubts.
	Unsure int
	// Models counts captions by the model that wrote them.
	Models []ModelCount
}

// FolderStatus is a folder with the states of its files.
type FolderStatus struct {
	Folder
	Counts
}

// ModelCount is a model and how many captions are its.
type ModelCount struct {
	Hash, Name string
	FirstSeen  time.Time
	Captions   int
}

// Cursor is a place in the change feed. The zero Cursor is its beginning.
type Cursor struct {
	// Epoch names the database's contents; a restore renews it. A reader
	// whose epoch differs must start again from the beginning.
	Epoch string  `json:"epoch"`
	XID   uint64  `json:"xid"`
	Photo PhotoID `json:"photo"`
}

// Change is a photo as search should now show it.
type Change struct {
	Photo Photo
	// Paths are the absolute paths of the present files with this content,
	// sorted. Empty: the photo must leave the index.
	Paths []string
}

// Changes is a stretch of the change feed.
type Changes struct {
	Items []Change
	Next  Cursor // where the next call goes on
	// Restart says that the cursor was of another epoch: Items begin the
	// feed anew, and what the reader holds must go.
	Restart bool
	// More says that another call would find something at once.
	More bool
}

// Store keeps photos, files and the queue. All methods may be called by many
// goroutines and many processes at once.
type Store interface {
	// AddFolder remembers a root; adding it again returns the same folder.
	AddFolder(ctx context.Context, path string) (Folder, error)
	// Folders lists the roots by path.
	Folders(ctx context.Context) ([]Folder, error)
	// ForgetFolder drops a root and its files. Photos stay, and leave
	// search when no other file has them. ErrUnknownFolder if there is none.
	ForgetFolder(ctx context.Context, path string) error

	// KnownFiles streams a folder's files in byte order of their paths.
	KnownFiles(ctx context.Context, folderID int64) iter.Seq2[KnownFile, error]
	// ApplyScan records a part of a scan in one transaction.
	ApplyScan(ctx context.Context, folderID int64, changes ScanChanges) error
	// EndScan records that a scan ended and whether the root was there.
	EndScan(ctx context.Context, folderID int64, present bool) error

	// Claim leases up to n pending files of the folders (or files whose
	// lease has ended) to owner until ttl from now.
	Claim(ctx context.Context, owner Owner, folderIDs []int64, n int, ttl time.Duration) ([]Claim, error)
	// ExtendLeases moves the end of all of owner's leases to ttl from now.
	ExtendLeases(ctx context.Context, owner Owner, ttl time.Duration) error
	// Release gives claimed files back as pending.
	Release(ctx context.Context, owner Owner, fileIDs []int64) error
	// LeaseOwners lists the owners of the leases held on a machine.
	LeaseOwners(ctx context.Context, machine string) ([]Owner, error)
	// ReleaseAll gives back everything that owner holds: it is dead.
	ReleaseAll(ctx context.Context, owner Owner) (int, error)
	// Commit stores results in one transaction and ends their leases. A
	// result whose lease owner no longer holds is dropped; committed counts
	// the others. A photo that is already captioned keeps its caption.
	Commit(ctx context.Context, owner Owner, results []Result) (committed int, err error)
	// CaptionedPhotos returns those of ids that have a caption.
	CaptionedPhotos(ctx context.Context, ids []PhotoID) (map[PhotoID]bool, error)
	// CaptionByPixels returns the caption of a photo that shows the same
	// pixels to the model of that hash, or one a person wrote.
	CaptionByPixels(ctx context.Context, pixels [32]byte, model string) (Caption, bool, error)
	// CountFiles counts the folders' files by state; of all folders for nil.
	CountFiles(ctx context.Context, folderIDs []int64) (Counts, error)

	// RecordModel remembers a model that is about to write captions.
	RecordModel(ctx context.Context, hash, name string) error
	// Changes reads the change feed after a cursor, at most limit photos.
	Changes(ctx context.Context, after Cursor, limit int) (Changes, error)

	// Failures lists failed and unsupported files by path.
	Failures(ctx context.Context) ([]FailedFile, error)
	// RetryFailures makes failed and unsupported files pending again.
	RetryFailures(ctx context.Context) (int, error)
	// Status counts everything.
	Status(ctx context.Context) (Status, error)
	// Close gives connections back.
	Close()
}
