package web

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"shoebox/search/query"
	"shoebox/storage"
)

// statusLimit is how long the parts of a status are waited for.
const statusLimit = 5 * time.Second

// status answers GET /api/status.
func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	ctx, stop := context.WithTimeout(r.Context(), statusLimit)
	defer stop()
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	return sendJSON(w, status)
}

// alive answers GET /healthz.
func alive(w http.ResponseWriter, _ *http.Request) error {
	return sendJSON(w, map[string]bool{"alive": true})
}

// ready answers GET /readyz: with 200 when the database and the index answer.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, stop := context.WithTimeout(r.Context(), statusLimit)
	defer stop()
	if _, err := s.Store.CountFiles(ctx, nil); err != nil {
		return later(http.StatusServiceUnavailable, 5*time.Second, "not_ready", "the database does not answer")
	}
	if _, err := s.Index.Info(ctx); err != nil {
		return later(http.StatusServiceUnavailable, 5*time.Second, "not_ready", "the search index does not answer")
	}
	return sendJSON(w, map[string]bool{"ready": true})
}

// failure is a line of `shoebox failures --json`.
type failure struct {
	Path     string     `json:"path"`
	PathB64  []byte     `json:"path_b64,omitempty"`
	State    string     `json:"state"`
	Code     string     `json:"code"`
	Reason   string     `json:"reason"`
	Since    time.Time  `json:"since"`
	Attempts int        `json:"attempts"`
	RetryAt  *time.Time `json:"retry_at,omitempty"`
}

type failuresAnswer struct {
	Failures []failure `json:"failures"`
	// Next is where the next request goes on; empty: these are all.
	Next string `json:"next,omitempty"`
}

const failuresPage = 100

// failures answers GET /api/failures.
func (s *Server) failures(w http.ResponseWriter, r *http.Request) error {
	after, err := parsePlace(r.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	// One more than wanted tells whether there are more.
	found, err := s.Store.FailuresAfter(r.Context(), after, failuresPage+1)
	if err != nil {
		return err
	}
	answer := failuresAnswer{Failures: []failure{}}
	if len(found) > failuresPage {
		found = found[:failuresPage]
		answer.Next = placeToken(found[failuresPage-1].Place)
	}
	for _, f := range found {
		answer.Failures = append(answer.Failures, newFailure(f))
	}
	return sendJSON(w, answer)
}

// placeToken is a place as clients give it back. No path holds a zero byte.
func placeToken(p storage.FailurePlace) string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.Folder + "\x00" + p.Path))
}

// parsePlace reads what placeToken writes; the beginning for "".
func parsePlace(token string) (storage.FailurePlace, error) {
	if token == "" {
		return storage.FailurePlace{}, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	folder, path, ok := strings.Cut(string(text), "\x00")
	if err != nil || !ok || !filepath.IsAbs(folder) {
		return storage.FailurePlace{}, refuse(http.StatusBadRequest, "bad_request", "after: want the `next` of the page before")
	}
	return storage.FailurePlace{Folder: folder, Path: path}, nil
}

func newFailure(f storage.FailedFile) failure {
	path, exact := storage.JSONPath(f.Path)
	line := failure{
		Path: path, PathB64: exact, State: string(f.State), Code: f.Code, Reason: f.Text,
		Since: f.Since, Attempts: f.Attempts,
	}
	if !f.RetryAt.IsZero() {
		line.RetryAt = &f.RetryAt
	}
	return line
}

// setPaused answers PUT /api/paused.
func (s *Server) setPaused(w http.ResponseWriter, r *http.Request) error {
	var wanted struct {
		Paused *bool `json:"paused"`
	}
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	if wanted.Paused == nil {
		return refuse(http.StatusBadRequest, "bad_request", `want {"paused": true} or false`)
	}
	if err := s.Store.SetPaused(r.Context(), *wanted.Paused); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// queued says how many photos were put in the queue.
type queued struct {
	Queued int `json:"queued"`
}

// retryFailures answers POST /api/failures/retry: the files at or below the
// paths, or all for none. Paths only choose among failures that are known.
func (s *Server) retryFailures(w http.ResponseWriter, r *http.Request) error {
	var wanted struct {
		Paths    []string `json:"paths"`
		PathsB64 [][]byte `json:"paths_b64"`
	}
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	paths := wanted.Paths
	for _, exact := range wanted.PathsB64 {
		paths = append(paths, string(exact))
	}
	if (wanted.Paths != nil || wanted.PathsB64 != nil) && len(paths) == 0 {
		return refuse(http.StatusBadRequest, "bad_request", "paths: want one or more; leave it out for all")
	}
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return refuse(http.StatusBadRequest, "bad_request", "paths: %q is not an absolute path", path)
		}
	}
	n, err := s.Store.RetryFailures(r.Context(), paths)
	if err != nil {
		return err
	}
	return sendJSON(w, queued{n})
}

// recaption answers POST /api/recaption.
func (s *Server) recaption(w http.ResponseWriter, r *http.Request) error {
	var wanted struct {
		OlderOnly bool `json:"older_only"`
	}
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	n, err := s.Recaption(r.Context(), wanted.OlderOnly)
	if err != nil {
		return err
	}
	return sendJSON(w, queued{n})
}

// album is a saved query.
type album struct {
	Name  string `json:"name"`
	Query string `json:"query"`
	// Problem says why the query cannot be used.
	Problem string `json:"problem,omitempty"`
}

type albumsAnswer struct {
	Albums []album `json:"albums"`
}

// albums answers GET /api/albums.
func (s *Server) albums(w http.ResponseWriter, _ *http.Request) error {
	names, err := s.Albums.Names()
	if err != nil {
		return err
	}
	answer := albumsAnswer{Albums: []album{}}
	for _, name := range names {
		one := album{Name: name}
		q, err := s.Albums.Load(name)
		if err == nil {
			one.Query = q.String()
		} else {
			one.Problem = err.Error()
		}
		answer.Albums = append(answer.Albums, one)
	}
	return sendJSON(w, answer)
}

func albumName(r *http.Request) (string, error) {
	name := r.PathValue("name")
	if err := query.CheckName(name); err != nil {
		return "", refuse(http.StatusBadRequest, "bad_request", "%v", err)
	}
	return name, nil
}

// saveAlbum answers PUT /api/albums/{name}.
func (s *Server) saveAlbum(w http.ResponseWriter, r *http.Request) error {
	name, err := albumName(r)
	if err != nil {
		return err
	}
	var wanted struct {
		Query string `json:"query"`
	}
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	q, err := query.Parse(wanted.Query)
	if err != nil {
		return err
	}
	if _, err := query.Expand(q, s.withAlbum(name, q)); err != nil {
		return err
	}
	if err := s.Albums.Save(name, q); err != nil {
		return err
	}
	return sendJSON(w, album{Name: name, Query: q.String()})
}

// withAlbum looks albums up as they will be, so that none can contain itself.
func (s *Server) withAlbum(name string, q query.Query) func(string) (query.Query, error) {
	return func(wanted string) (query.Query, error) {
		if wanted == name {
			return q, nil
		}
		return s.Albums.Load(wanted)
	}
}

// deleteAlbum answers DELETE /api/albums/{name}.
func (s *Server) deleteAlbum(w http.ResponseWriter, r *http.Request) error {
	name, err := albumName(r)
	if err != nil {
		return err
	}
	err = os.Remove(filepath.Join(s.Albums.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return refuse(http.StatusNotFound, "unknown_album", "there is no album %q", name)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
