package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"shoebox/search"
	"shoebox/search/query"
)

const (
	usualHits = 60
	mostHits  = 500
	// searchLimit is how long a search may take, and searchPatience how long it
	// waits for others.
	searchLimit    = 10 * time.Second
	searchPatience = 5 * time.Second
)

// found is a search.Result, and what to do where there is no index to search.
type found struct {
	search.Result
	Hint string `json:"hint,omitempty"`
}

// search answers GET /api/search.
func (s *Server) search(w http.ResponseWriter, r *http.Request) error {
	request, err := s.readSearch(r.URL.Query())
	if err != nil {
		return err
	}
	if err := take(r.Context(), s.searches, searchPatience, "searches"); err != nil {
		return err
	}
	defer s.searches.Release(1)
	ctx, stop := context.WithTimeout(r.Context(), searchLimit)
	defer stop()
	ctx, charge, err := s.besideWorker(ctx)
	if err != nil {
		return err
	}
	defer charge()
	result, err := s.Index.Search(ctx, request)
	answer := found{Result: result}
	switch {
	case errors.Is(err, search.ErrNoIndex):
		answer.Hint = "nothing is indexed yet: shoebox index DIR"
	case errors.Is(err, search.ErrBuilding):
		answer.Hint = "the search index is being built: photos appear as they come"
		if answer.Building == nil {
			answer.Building = &search.Building{}
		}
	case err != nil:
		return err
	}
	if answer.Hits == nil {
		answer.Hits = []search.Hit{} // [] and never null
	}
	return sendJSON(w, answer)
}

// readSearch reads the parameters of a search. Without words it is for every
// photo, the newest first.
func (s *Server) readSearch(given url.Values) (search.Request, error) {
	r := search.Request{After: given.Get("after"), Limit: usualHits}
	for name, value := range map[string]*bool{"facets": &r.Facets, "similar": &r.Similar, "text_only": &r.TextOnly} {
		var err error
		if *value, err = strconv.ParseBool(given.Get(name)); err != nil && given.Get(name) != "" {
			return r, refuse(http.StatusBadRequest, "bad_request", "%s: want 1 or 0", name)
		}
	}
	if text := given.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 0 || limit > mostHits {
			return r, refuse(http.StatusBadRequest, "bad_request", "limit: want a number from 0 to %d", mostHits)
		}
		r.Limit = limit
	}
	return r, s.readQuery(&r, given.Get("q"))
}

func (s *Server) readQuery(r *search.Request, text string) error {
	parse := query.Parse
	switch {
	case isBlank(text):
		r.Query, r.Similar = query.Query{Sort: query.ByDate}, false
		return nil
	case r.Similar:
		parse = query.Similar
	}
	q, err := parse(text)
	if err != nil {
		return err
	}
	r.Query, err = query.Expand(q, s.Albums.Load)
	return err
}
