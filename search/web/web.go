// Package web shows a library in a browser: pages, and the HTTP API that they
// and other programs use.
//
// It joins what other packages know (search, storage, captioner) and decides
// only who may ask and how much at once. It never speaks SQL, never writes to a
// photo, and never takes a path from a client: photos are named by the hash of
// their content.
//
// A request passes, in this order: headers that browsers obey, the check of the
// name by which it came, of where it was made, of who makes it (access.go), the
// routes (Server.routes), and then whatever limits the work that the route
// means: searches, decoding and captioning each have their own.
package web

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/search"
	"shoebox/storage"
	"shoebox/thumbs"
)

// Index is what is needed of the search index, whoever holds it.
type Index interface {
	Search(ctx context.Context, r search.Request) (search.Result, error)
	Info(ctx context.Context) (search.Info, error)
	Documents(ctx context.Context, after string, limit int) ([]search.Hit, error)
	// CatchUp makes what the database holds now findable.
	CatchUp(ctx context.Context) error
}

// Store is what is needed of storage.Store. Its methods return
// storage.ErrUnavailable at once while there is no database.
type Store interface {
	PhotosByID(ctx context.Context, ids []storage.PhotoID) ([]storage.Change, error)
	EditCaption(ctx context.Context, id storage.PhotoID, text string) error
	UndoEdit(ctx context.Context, id storage.PhotoID) error
	Vocabulary(ctx context.Context, model string) (storage.Vocabulary, error)
	Shown(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error)
	Lag(ctx context.Context, after storage.Cursor, most int) (storage.Lag, error)
	FailuresAfter(ctx context.Context, after storage.FailurePlace, n int) ([]storage.FailedFile, error)
	RetryFailures(ctx context.Context, paths []string) (int, error)
	SetPaused(ctx context.Context, paused bool) error
	CountFiles(ctx context.Context, folderIDs []int64) (storage.Counts, error)
	Status(ctx context.Context) (storage.Status, error)
}

// Captioner is what is needed of captioner.Captioner.
type Captioner interface {
	// Explain returns captioner.ErrNoLooks, and the rest, for a model that does
	// not tell where it looked.
	Explain(pixels []byte) (captioner.Explanation, error)
	LooksLike(d captioner.Description, n int) []captioner.Likely
	Size() picture.Size
	Name() string
	Hash() string
}

// Config is what a Server works with. All fields but Metrics, Hosts and ReadOnly
// are needed.
type Config struct {
	Index  Index
	Store  Store
	Albums search.Albums
	// Captioner returns the model. It is asked when the first picture comes,
	// and again after an error.
	Captioner func(ctx context.Context) (Captioner, error)
	// Recaption queues photos that another model captioned, or only an older
	// one, and returns how many.
	Recaption func(ctx context.Context, olderOnly bool) (int, error)
	// Status is what `shoebox status --json` prints. It has an answer also
	// without a database.
	Status func(ctx context.Context) (any, error)
	// Data is the folder in which access.json is kept.
	Data string
	// Thumbs keeps small pictures. Whoever opened it closes it.
	Thumbs *thumbs.Cache
	// Memory is what reading and decoding may take, perhaps together with others
	// in this process.
	Memory *picture.Budget
	// Metrics are shown besides the server's own.
	Metrics []prometheus.Collector
	// Working reports whether a worker captions in this process, to which
	// searches leave most of the processors.
	Working func() bool
	// Addr is where the server listens.
	Addr net.Addr
	// Hosts are names under which it is reached besides, as through a reverse
	// proxy. They make a token necessary.
	Hosts []string
	// ReadOnly refuses every change.
	ReadOnly bool
}

// Server answers requests. New makes one.
type Server struct {
	Config
	access   *access
	pictures *pictures
	pages    *pages
	events   *events
	metrics  *metrics
	handler  http.Handler

	searches  *semaphore.Weighted // at once
	allowance *allowance          // of processors for them
	uploads   *semaphore.Weighted // pictures to caption that are in memory
	model     *semaphore.Weighted // held while the model is loaded or runs

	vocabularies sync.Map // storage.Vocabulary by model hash: it never changes
	lag          lag      // of the index

	stopPruning context.CancelFunc
	pruning     sync.WaitGroup
}

// mostUploads is how many pictures to caption may be in memory at once.
const mostUploads = 4

// mostSearches is how many searches go on at once. They take processors and
// hardly wait, so that more of them only make all of them late.
func mostSearches() int64 { return int64(max(4, 2*runtime.GOMAXPROCS(0))) }

// New prepares a server. Close ends it.
func New(c Config) (*Server, error) {
	access, err := newAccess(c)
	if err != nil {
		return nil, err
	}
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Config: c, access: access, pages: pages,
		pictures: newPictures(c.Memory),
		events:   newEvents(c.Status),
		searches: semaphore.NewWeighted(mostSearches()), allowance: newAllowance(runtime.GOMAXPROCS(0)),
		uploads: semaphore.NewWeighted(mostUploads),
		model:   semaphore.NewWeighted(1),
	}
	background, stop := context.WithCancel(context.Background())
	s.stopPruning = stop
	s.pruning.Go(func() { s.prune(background) })
	s.metrics = newMetrics(s)
	s.handler = s.metrics.count(protect(s.access.check(orProblem(newMux(s.routes())))))
	return s, nil
}

// Close waits for what runs in the background, also for clients that have gone.
// From then on nobody uses the model.
func (s *Server) Close() {
	s.stopPruning()
	s.pruning.Wait()
	_ = s.model.Acquire(context.Background(), 1) // for good
	s.pictures.finish()
}

// NewToken is the token that was made because there was none yet; empty: none
// is needed, or it was made, and shown, before.
func (s *Server) NewToken() string { return s.access.newToken }

// TokenFile is where the hash of the token is; without it the next start makes
// a new one. Empty: no token is needed.
func (s *Server) TokenFile() string { return s.access.tokenFile() }

// Patterns are those of all routes, as http.ServeMux takes them.
func (s *Server) Patterns() []string {
	var patterns []string
	for _, r := range s.routes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}

// route is what is done for a pattern of http.ServeMux.
type route struct {
	pattern string
	do      handler
}

// routes are all of them. openapi.json describes those of the API.
func (s *Server) routes() []route {
	return []route{
		{"GET /{$}", s.page("search.html")},
		{"GET /library", s.page("library.html")},
		{"GET /caption", s.page("caption.html")},
		{"GET /photo/{id}", s.photoPage},
		{"GET /login", s.loginPage},
		{"POST /login", s.login},
		{"POST /logout", s.logout},
		{"GET /static/", s.pages.static},

		{"GET /api/search", s.search},
		{"GET /api/photos/{id}", s.photo},
		{"PATCH /api/photos/{id}", s.unlessReadOnly(s.editPhoto)},
		{"GET /photos/{id}/thumb", s.thumb},
		{"GET /photos/{id}/preview", s.preview},
		{"GET /photos/{id}/original", s.original},

		{"POST /caption", s.captionAsSeed},
		{"POST /api/caption", s.caption},

		{"GET /api/status", s.status},
		{"GET /api/events", s.stream},
		{"PUT /api/paused", s.unlessReadOnly(s.setPaused)},
		{"GET /api/failures", s.failures},
		{"POST /api/failures/retry", s.unlessReadOnly(s.retryFailures)},
		{"POST /api/recaption", s.unlessReadOnly(s.recaption)},
		{"GET /api/albums", s.albums},
		{"PUT /api/albums/{name}", s.unlessReadOnly(s.saveAlbum)},
		{"DELETE /api/albums/{name}", s.unlessReadOnly(s.deleteAlbum)},
		{"GET /api/openapi.json", s.openAPI},

		{"GET /metrics", s.metrics.show},
		{"GET /healthz", alive},
		{"GET /readyz", s.ready},
	}
}

func newMux(routes []route) *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.pattern, r.do)
	}
	return mux
}

// unlessReadOnly guards what changes something.
func (s *Server) unlessReadOnly(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.ReadOnly {
			return refuse(http.StatusForbidden, "read_only", "this library is only shown here: shoebox runs with --read-only")
		}
		return h(w, r)
	}
}

// take gets a place among those that may work, waiting no longer than patience.
func take(ctx context.Context, places *semaphore.Weighted, patience time.Duration, what string) error {
	waiting, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if places.Acquire(waiting, 1) == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return later(http.StatusTooManyRequests, 2*time.Second, "too_many_requests", "too many %s at once: try again in a moment", what)
}
