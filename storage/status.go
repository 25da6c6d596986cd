package storage

import "time"

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
	// Place is where in the list of all failures it stands.
	Place FailurePlace
}

// FailurePlace is a place in the list of failures. It stays one when what stood
// there is no failure any more. The zero value is before the first.
type FailurePlace struct {
	Folder string // absolute
	Path   string // relative to the folder
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
	// PausedSince is when workers were told to take nothing new; zero: they do.
	PausedSince time.Time
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
