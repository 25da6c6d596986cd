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

// ErrUnavailable marks errors that pass by themselves: the database cannot be
// reached, is starting, read-only or full, or met a conflict. What was asked
// for may have been done all the same, when only the answer was lost.
var ErrUnavailable = errors.New("the database is not available now")

// ErrUnknownPhoto is returned for a photo that storage has never seen.
var ErrUnknownPhoto = errors.New("there is no such photo")

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
	// Problem says why the last scan changed nothing; empty: it was fine.
	Problem string
	// FileSystem says which one the root was on at its last full scan, in a
	// form that only the scan knows; empty: unknown.
	FileSystem string
	Watch      Watch
}

// WatchMode is how a folder's changes are noticed while `watch` runs.
type WatchMode string

// The ways of noticing changes.
const (
	Watched WatchMode = "watched" // the system says what changes
	Partly  WatchMode = "partly"  // it does for a part, the rest is polled
	Polled  WatchMode = "polled"  // the folder is looked through again and again
)

// Watch is what a watcher last said of a folder.
type Watch struct {
	Mode   WatchMode // empty: nobody watches
	Reason string    // why not all of it is watched
	SeenAt time.Time // a watcher says so every minute; one that died does not
}

// FileStat is what a directory walk sees of a file.
type FileStat struct {
	Path    string // relative to the folder, slash separated, raw bytes
	Size    int64  // bytes
	ModTime int64  // nanoseconds since the epoch
	// Sidecar is the file beside it in which programs keep what people wrote
	// about the picture; zero: there is none.
	Sidecar SidecarStat
}

// SidecarStat is what a directory walk sees of a sidecar.
type SidecarStat struct {
	Size    int64 // bytes
	ModTime int64 // nanoseconds since the epoch
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
	// Upserts are files that are new or whose size or time changed, or whose
	// sidecar's did (and files to ask again): they become pending and present.
	Upserts []FileStat
	// Restored are the IDs of files that came back unchanged.
	Restored []int64
	// Missing are the IDs of files that are no longer there.
	Missing []int64
}

// ScanEnd is what a scan of a whole root came to.
type ScanEnd struct {
	// Problem says why nothing was changed; empty: the scan was a full one.
	Problem string
	// FileSystem becomes the folder's when there was no problem.
	FileSystem string
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
	// Attempts counts the leases since the content changed, with this one and
	// without those that were given back or whose worker died.
	Attempts int
	// Suspect says that a lease on the file ended without a result, so that
	// it may have killed a worker: it has to be tried alone.
	Suspect bool
	// Recaption says that the file's photo has a caption that a person wants
	// to be written anew.
	Recaption bool
	// Known is set when nothing but the sidecar is to be read: it changed, or
	// went, since the file was found to be this photo.
	Known PhotoID
}

// Lease is what a worker holds.
type Lease struct {
	Owner Owner
	Files int
	Ends  time.Time // of the first one to end
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
	// What people wrote into the file.
	Title       string
	Description string
	Keywords    []string
	People      []string // the names of those who are shown
	Rating      int      // stars, 1 to 5; 0: not rated
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
//
// What the sidecars of its files say is in the Metadata of a Change, where the
// files are, and of no other Photo.
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
	Seen Seen
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
	// Sidecar is what the file's sidecar says; nil: nothing.
	Sidecar *Sidecar
}

// Failure is why a file has no caption.
type Failure struct {
	State          FileState // Failed or Unsupported
	Code           string    // short, stable, "truncated", "too-large", "io"
	Text           string    // for people: what happened and what to do
	DecoderVersion int       // set with Unsupported
	// RetryIn is after how long the file is claimed again by itself; zero:
	// never. Only a Failed file can be.
	RetryIn time.Duration
	// Suspect says that the file has to be tried alone next time, too.
	Suspect bool
}

// FailedFile is a line of `shoebox failures`.
type FailedFile struct {
	Path  string // absolute
	State FileState
	Code  string
	Text  string
	Since time.Time
	// Attempts counts the leases since the content changed, as in Claim.
	Attempts int
	// RetryAt is when it is tried again by itself; zero: never.
	RetryAt time.Time
}

// Reason is why files have no caption, and how many have none for it.
type Reason struct {
	State FileState // Failed or Unsupported
	Code  string
	Files int
	// Retrying are those of them that are tried again by themselves.
	Retrying int
}

// Counts says how many present files are in each state.
type Counts struct {
	Pending, Leased, Done, Failed, Unsupported int
	// Missing files are counted here and nowhere else.
	Missing int
	// Retrying are those of the failed that are tried again by themselves.
	Retrying int
}

// Status is what `shoebox status` shows of storage.
type Status struct {
	Folders []FolderStatus
	Total   Counts
	Photos  int // distinct contents with a caption
	// Unsure photos have a caption that the model doubts.
	Unsure int
	// Edited photos have a caption that a person wrote.
	Edited int
	// Models counts captions by the model that wrote them.
	Models []ModelCount
	// Reasons count the failed and unsupported files, the most first.
	Reasons []Reason
	// Workers are those that hold leases or did within the last minute.
	Workers []WorkerStatus
}

// WorkerStatus is what a worker is doing.
type WorkerStatus struct {
	Lease // without files and end when it holds nothing now
	// PerSecond is how many files it finished a second in the last minute.
	PerSecond float64
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
	// Roots are the folders that were asked for, by which each of Paths was
	// found: the outermost, when one is in another.
	Roots []string
}

// Edit is a caption that a person wrote.
type Edit struct {
	Photo   PhotoID
	Caption string
	At      time.Time
	// Paths are the absolute paths of the files with this content, sorted,
	// missing ones too: an edit outlives its file.
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
	// KnownBelow streams the files below a subfolder, like KnownFiles; of
	// the whole folder for "".
	KnownBelow(ctx context.Context, folderID int64, dir string) iter.Seq2[KnownFile, error]
	// KnownAt returns what is known of single files, in any order, and those
	// of the paths below which present files are known.
	KnownAt(ctx context.Context, folderID int64, paths []string) (files []KnownFile, parents []string, err error)
	// EndScan records that a scan of a whole root ended.
	EndScan(ctx context.Context, folderID int64, end ScanEnd) error
	// ReportWatch records how a folder is watched now; an empty mode says
	// that it no longer is.
	ReportWatch(ctx context.Context, folderID int64, mode WatchMode, reason string) error

	// Claim leases up to n files of the folders to owner until ttl from now:
	// pending ones, those on which another's lease has ended, which makes
	// them suspects, and failed ones that are due to be tried again.
	Claim(ctx context.Context, owner Owner, folderIDs []int64, n int, ttl time.Duration) ([]Claim, error)
	// ExtendLeases moves the end of all of owner's leases to ttl from now.
	ExtendLeases(ctx context.Context, owner Owner, ttl time.Duration) error
	// Release gives claimed files back as pending.
	Release(ctx context.Context, owner Owner, fileIDs []int64) error
	// ReleaseAll gives back everything that owner holds.
	ReleaseAll(ctx context.Context, owner Owner) error
	// Leases lists who holds how many leases, ended ones too.
	Leases(ctx context.Context) ([]Lease, error)
	// TakeBack makes everything that owner holds pending and suspect: it is
	// dead, perhaps of one of these files.
	TakeBack(ctx context.Context, owner Owner) (int, error)
	// NextRetry returns how long it is until a failed file of the folders is
	// tried again by itself, at most zero when one is due; false: none is.
	NextRetry(ctx context.Context, folderIDs []int64) (time.Duration, bool, error)
	// Commit stores results in one transaction and ends their leases. A
	// result whose lease owner no longer holds is dropped; committed counts
	// the others. A photo that is already captioned keeps its caption and
	// what was Seen, unless the claim was of a Recaption: that replaces both,
	// and what people wrote into the file, but never a person's caption. When
	// the answer was lost, the same commit counts the same results again.
	Commit(ctx context.Context, owner Owner, results []Result) (committed int, err error)
	// CaptionedPhotos returns those of ids that have a caption.
	CaptionedPhotos(ctx context.Context, ids []PhotoID) (map[PhotoID]bool, error)
	// CaptionByPixels returns the caption of a photo that shows the same
	// pixels to the model of that hash, or one a person wrote, and what was
	// seen in the photo, perhaps by another model or by none.
	CaptionByPixels(ctx context.Context, pixels [32]byte, model string) (Caption, Seen, bool, error)
	// CountFiles counts the folders' files by state; of all folders for nil.
	CountFiles(ctx context.Context, folderIDs []int64) (Counts, error)

	// RecordModel remembers a model that is about to write captions. What was
	// recorded of it first stays; a vocabulary is added where there was none.
	RecordModel(ctx context.Context, hash, name string, vocabulary Vocabulary) error
	// Vocabulary returns that of a recorded model. ErrUnknownModel if there
	// is none.
	Vocabulary(ctx context.Context, hash string) (Vocabulary, error)
	// Changes reads the change feed after a cursor, at most limit photos.
	Changes(ctx context.Context, after Cursor, limit int) (Changes, error)

	// Failures streams the failed and unsupported files of the folders (nil:
	// of all), folder by folder in byte order of their paths.
	Failures(ctx context.Context, folderIDs []int64) iter.Seq2[FailedFile, error]
	// RetryFailures makes failed and unsupported files pending again: those
	// at or below the absolute paths, or all for nil.
	RetryFailures(ctx context.Context, paths []string) (int, error)
	// Recaption queues photos to be looked at again by the model of that hash:
	// those whose caption another model wrote or in which another one has
	// Seen something, or, if olderOnly, one that was first seen before it, and
	// those in which nothing was Seen yet. The photos keep what they have until
	// the new is committed; a person's caption stays.
	Recaption(ctx context.Context, model string, olderOnly bool) (int, error)

	// Photos streams all photos that a present file shows, by ID: what the
	// change feed, read to its end, leaves in search. It reads page by page,
	// each of its own moment.
	Photos(ctx context.Context) iter.Seq2[Change, error]
	// FilesByID returns those of the files that are known, in any order.
	FilesByID(ctx context.Context, ids []int64) ([]KnownFile, error)
	// PhotosByID returns those of ids that a present file shows, by ID.
	PhotosByID(ctx context.Context, ids []PhotoID) ([]Change, error)
	// Restamp makes photos come through the change feed again.
	Restamp(ctx context.Context, ids []PhotoID) error
	// EditCaption makes text the caption of a photo, written by a person.
	// ErrUnknownPhoto if there is none.
	EditCaption(ctx context.Context, id PhotoID, text string) error
	// UndoEdit gives a photo back the caption that the model had written; one
	// that is not known is written again. It does nothing without an edit.
	UndoEdit(ctx context.Context, id PhotoID) error
	// Edits streams the captions that people wrote, by photo.
	Edits(ctx context.Context) iter.Seq2[Edit, error]

	// Status counts everything.
	Status(ctx context.Context) (Status, error)
	// Close gives connections back.
	Close()
}
