package storage

import (
	"fmt"
	"time"
)

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
