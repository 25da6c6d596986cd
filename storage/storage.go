// Package storage says what is known about photos: the types that every other
// package speaks in, and the one interface behind which they are kept.
//
// It never talks to a database, a file system or a model itself and imports
// none of shoebox's other packages. storage/postgres implements Store;
// storage/storagetest holds the tests every implementation must pass.
package storage

import (
	"context"
	"errors"
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

	// SetPaused says that workers take nothing new, on all machines, or that they
	// go on: while they are paused Claim leases nothing. What they have in hand
	// is finished. Pausing what is paused changes nothing.
	SetPaused(ctx context.Context, paused bool) error
	// Paused returns since when workers have been paused; zero: they are not.
	Paused(ctx context.Context) (time.Time, error)
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

	// Lag counts what the change feed has after a cursor, and will have when the
	// transactions that are open now have ended: up to most photos.
	Lag(ctx context.Context, after Cursor, most int) (Lag, error)

	// Failures streams the failed and unsupported files of the folders (nil:
	// of all), folder by folder in byte order of their paths.
	Failures(ctx context.Context, folderIDs []int64) iter.Seq2[FailedFile, error]
	// FailuresAfter returns the first n of what Failures streams of all folders
	// behind a place.
	FailuresAfter(ctx context.Context, after FailurePlace, n int) ([]FailedFile, error)
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
	// Shown returns those of ids that a present file shows.
	Shown(ctx context.Context, ids []PhotoID) (map[PhotoID]bool, error)
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
