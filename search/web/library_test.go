package web_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/search/web/webtest"
	"shoebox/storage"
)

func TestTheDocumentDescribesEveryRouteOfTheAPI(t *testing.T) {
	s := newSite(t)
	var routes []string
	for _, pattern := range s.server.Patterns() {
		switch pattern {
		case "GET /{$}", "GET /library", "GET /caption", "GET /photo/{id}", "GET /login", "POST /login", "POST /logout", "GET /static/":
		default:
			routes = append(routes, pattern)
		}
	}
	documented := webtest.New(t).Operations()
	slices.Sort(routes)
	slices.Sort(documented)
	if !slices.Equal(routes, documented) {
		t.Errorf("there are\n%v\nand documented are\n%v", routes, documented)
	}
	if a := s.get("/api/openapi.json"); a.StatusCode != 200 {
		t.Errorf("the document is answered %d", a.StatusCode)
	}
}

func TestWhatIsNotThereIsAProblem(t *testing.T) {
	s := newSite(t)
	s.refused(s.get("/nothing"), 404, "not_found")
	s.refused(s.get("/api/nothing"), 404, "not_found")
	a := s.ask("DELETE", "/api/search", nil)
	s.refused(a, 405, "method_not_allowed")
	if a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("it allows %q", a.Header.Get("Allow"))
	}
	if head := s.ask("HEAD", "/api/search", nil); head.StatusCode != 200 || len(head.body) != 0 {
		t.Errorf("HEAD is answered %d with %d bytes", head.StatusCode, len(head.body))
	}
}

func TestFailuresAreListedAndTriedAgain(t *testing.T) {
	s := newSite(t)
	type list struct {
		Failures []struct{ Path, Code, Reason string }
		Next     string
	}
	got := decode[list](t, s.get("/api/failures"))
	if len(got.Failures) != 1 || got.Failures[0].Path != s.photos+"/broken.jpg" || got.Failures[0].Code != "not-a-picture" || got.Next != "" {
		t.Fatalf("the failures are %+v", got)
	}
	for _, bad := range []string{"x", "1", "L2E", "!"} { // the third is "/a", without a zero byte
		s.refused(s.get("/api/failures?after="+bad), 400, "bad_request")
	}
	for body, code := range map[string]string{`{"paths":[]}`: "bad_request", `{"paths":["broken.jpg"]}`: "bad_request", `{"path":"/x"}`: "bad_request"} {
		s.refused(s.ask("POST", "/api/failures/retry", []byte(body)), 400, code)
	}
	type queued struct{ Queued int }
	if n := decode[queued](t, s.ask("POST", "/api/failures/retry", []byte(`{"paths":["/elsewhere"]}`))); n.Queued != 0 {
		t.Errorf("%d files elsewhere are queued", n.Queued)
	}
	if n := decode[queued](t, s.ask("POST", "/api/failures/retry", []byte(`{"paths":["`+s.photos+`/broken.jpg"]}`))); n.Queued != 1 {
		t.Errorf("%d files are queued", n.Queued)
	}
	if counts, err := s.store.CountFiles(t.Context(), nil); err != nil || counts.Pending != 1 || counts.Failed != 0 {
		t.Errorf("the files are %+v: %v", counts, err)
	}
	if n := decode[queued](t, s.ask("POST", "/api/failures/retry", []byte(`{}`))); n.Queued != 0 {
		t.Errorf("%d files are queued again", n.Queued)
	}
}

func TestFailuresComeInPages(t *testing.T) {
	s := newSite(t)
	folders, err := s.store.Folders(t.Context())
	s.must(err)
	var found storage.ScanChanges
	for i := range 150 {
		found.Upserts = append(found.Upserts, storage.FileStat{Path: "many/" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + ".jpg", Size: 1, ModTime: 1})
	}
	s.must(s.store.ApplyScan(t.Context(), folders[0].ID, found))
	owner := storage.Owner{Machine: "test", PID: 3, StartedAt: 1}
	claims, err := s.store.Claim(t.Context(), owner, []int64{folders[0].ID}, 150, leaseTime)
	s.must(err)
	var results []storage.Result
	for _, claim := range claims {
		results = append(results, storage.Result{Claim: claim, Failure: &storage.Failure{State: storage.Failed, Code: "broken", Text: "It is broken."}})
	}
	_, err = s.store.Commit(t.Context(), owner, results)
	s.must(err)
	seen, after := map[string]bool{}, ""
	for number := range 5 {
		page := decode[struct {
			Failures []struct{ Path string }
			Next     string
		}](t, s.get("/api/failures?after="+after))
		for _, f := range page.Failures {
			seen[f.Path] = true
		}
		if after = page.Next; after == "" {
			break
		}
		if number == 0 { // what is no failure any more moves nothing
			_, err := s.store.RetryFailures(t.Context(), []string{page.Failures[3].Path})
			s.must(err)
		}
	}
	if len(seen) != 151 {
		t.Errorf("the pages hold %d failures", len(seen))
	}
}

func TestWorkIsPausedAndGoesOn(t *testing.T) {
	s := newSite(t)
	for _, body := range []string{`{}`, `{"paused":1}`, `{"paused":null}`, `{"stopped":true}`} {
		s.refused(s.ask("PUT", "/api/paused", []byte(body)), 400, "bad_request")
	}
	for _, paused := range []bool{true, true, false} {
		if a := s.ask("PUT", "/api/paused", fmt.Appendf(nil, `{"paused":%v}`, paused)); a.StatusCode != 204 {
			t.Fatalf("paused %v is answered %d %s", paused, a.StatusCode, a.body)
		}
		if since, err := s.store.Paused(t.Context()); err != nil || since.IsZero() == paused {
			t.Errorf("after paused %v it is paused since %s: %v", paused, since, err)
		}
		if metric := fmt.Sprintf("shoebox_paused %d", map[bool]int{true: 1}[paused]); !strings.Contains(string(s.get("/metrics").body), metric) {
			t.Errorf("the metrics lack %s", metric)
		}
	}
}

func TestRecaptioningIsQueued(t *testing.T) {
	s := newSite(t)
	s.must(s.store.RecordModel(t.Context(), "another", "another", storage.Vocabulary{}))
	n := decode[struct{ Queued int }](t, s.ask("POST", "/api/recaption", []byte(`{"older_only":true}`)))
	if n.Queued != len(captions) {
		t.Errorf("%d photos are queued, want all of the older model", n.Queued)
	}
}

func TestMetricsSayHowTheLibraryIs(t *testing.T) {
	s := newSite(t)
	s.search("q=woman")
	s.must(s.store.EditCaption(t.Context(), s.ids["china.jpg"], "A zebra."))
	text := string(s.get("/metrics").body)
	for _, line := range []string{
		"shoebox_database_up 1", `shoebox_photos{state="captioned"} 5`, `shoebox_photos{state="edited"} 1`, `shoebox_files{state="failed"} 1`,
		"shoebox_queue_files 0", "shoebox_index_photos 5", "shoebox_index_lag_photos 1", "shoebox_index_held_back_photos 0", "shoebox_paused 0",
		`shoebox_http_request_seconds_count{route="GET /api/search",status="200"} 1`, "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	s.must(s.index.CatchUp(t.Context()))
	if text := string(s.get("/metrics").body); !strings.Contains(text, "shoebox_index_lag_photos 0") || !strings.Contains(text, "shoebox_index_lag_seconds 0") {
		t.Error("search has caught up, and the metrics do not say so")
	}
}

// listen reads events until one says what is wanted.
func listen(t *testing.T, events *bufio.Scanner, wanted string) {
	t.Helper()
	for events.Scan() {
		if strings.HasPrefix(events.Text(), "data: ") && strings.Contains(events.Text(), wanted) {
			return
		}
	}
	t.Fatalf("the events end without %s: %v", wanted, events.Err())
}

func (s *site) events() (*bufio.Scanner, *http.Response) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), "GET", s.url+"/api/events", nil)
	s.must(err)
	response, err := s.client.Do(r)
	s.must(err)
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		s.t.Fatalf("events come as %q", kind)
	}
	return bufio.NewScanner(response.Body), response
}

func TestEventsTellWhenTheStatusChanges(t *testing.T) {
	s := newSite(t)
	first, response := s.events()
	defer response.Body.Close()
	listen(t, first, `"edited":0`)
	second, another := s.events()
	defer another.Body.Close()
	listen(t, second, `"edited":0`) // without waiting for a change
	s.must(s.store.EditCaption(t.Context(), s.ids["china.jpg"], "A zebra."))
	listen(t, first, `"edited":1`)
	listen(t, second, `"edited":1`)
	s.store.away.Store(true)
	listen(t, first, `"code":"database_unavailable"`)
}

func TestTheServerEndsSoonWhoeverListens(t *testing.T) {
	t.Parallel() // it mostly waits
	s := newSite(t)
	_, response := s.events()
	defer response.Body.Close()
	// A client that asks for much and takes nothing.
	stuck, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	s.must(err)
	defer stuck.Close()
	for range 200 {
		_, err := stuck.Write([]byte("GET " + s.file("china.jpg", "original") + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		s.must(err)
	}
	// One that never ends its headers.
	slow, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	s.must(err)
	defer slow.Close()
	_, err = slow.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nX-"))
	s.must(err)
	if found := s.search("q=temple"); found.Total != 1 {
		t.Error("meanwhile nothing can be found")
	}
	began := time.Now()
	if err := s.end(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it takes %v to end", took)
	}
}

func TestAClientThatNeverEndsItsHeadersIsDropped(t *testing.T) {
	t.Parallel() // it mostly waits
	s := newSite(t)
	slow, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	s.must(err)
	defer slow.Close()
	_, err = slow.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "))
	s.must(err)
	s.must(slow.SetReadDeadline(time.Now().Add(20 * time.Second)))
	buffer := make([]byte, 1024)
	for err == nil {
		_, err = slow.Read(buffer)
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		t.Error("it is still waited for after 20 seconds")
	}
}
