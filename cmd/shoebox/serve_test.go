package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"shoebox/search"
	"shoebox/search/web/webtest"
	"shoebox/storage/storagetest"
)

// served is a running `serve` or `watch --listen`.
type served struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string // without a slash at its end
	login  string // the link that was printed; empty: none
	client *http.Client
	stderr bytes.Buffer
	ended  bool
}

var address = regexp.MustCompile(`(http://[^/ ]+)(/login\?token=\S+)?`)

// serve starts a command that serves, and waits until it says where.
func (l *testLibrary) serve(args ...string) *served {
	l.t.Helper()
	s := &served{t: l.t, cmd: l.command(context.Background(), args...)} // end ends it, not the test's context
	s.client = &http.Client{Transport: webtest.New(l.t).Transport(l.t), Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	s.cmd.Stderr = &s.stderr
	if err := s.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { s.end() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			s.url, s.login = found[1], found[2]
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return s
		}
	}
	_ = s.cmd.Wait()
	s.ended = true
	l.t.Fatalf("%q ended without serving:\n%s", args, &s.stderr)
	return nil
}

// end stops the process as a service manager does, and returns how long that
// took.
func (s *served) end() time.Duration {
	if s.ended {
		return 0
	}
	s.ended = true
	began := time.Now()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("it ends with %v:\n%s", err, &s.stderr)
	}
	return time.Since(began)
}

// ask sends a request and reads an answer that has to be good.
func (s *served) ask(method, path, kind string, body []byte) []byte {
	s.t.Helper()
	status, answer := s.try(method, path, kind, body)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s answers %d %s\n%s", method, path, status, answer, &s.stderr)
	}
	return answer
}

func (s *served) try(method, path, kind string, body []byte) (int, []byte) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, &s.stderr)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, answer
}

func (s *served) search(query string) (found search.Result) {
	s.t.Helper()
	if err := json.Unmarshal(s.ask("GET", "/api/search?q="+query, "", nil), &found); err != nil {
		s.t.Fatal(err)
	}
	return found
}

func (s *served) status() (status servedStatus) {
	s.t.Helper()
	if err := json.Unmarshal(s.ask("GET", "/api/status", "", nil), &status); err != nil {
		s.t.Fatal(err)
	}
	return status
}

// until asks again and again, for at most 30 seconds.
func (s *served) until(what string, holds func() bool) {
	s.t.Helper()
	for begun := time.Now(); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > 30*time.Second {
			s.t.Fatalf("still not: %s\n%s", what, &s.stderr)
		}
	}
}

func TestServeShowsTheLibrary(t *testing.T) {
	l := newTestLibrary(t)
	photos := filepath.Join(filepath.Dir(l.data), "photos")
	writeFile(t, filepath.Join(photos, "astronaut.jpg"), readSample(t, "astronaut.jpg"))
	writeFile(t, filepath.Join(photos, "broken.jpg"), []byte("no picture"))
	l.must(exitSomeFailed, "index", photos)
	s := l.serve("serve", "--listen", "127.0.0.1:0")
	s.until("the database is open", func() bool { return s.status().DatabaseProblem == "" })

	status := s.status()
	if status.Photos != 1 || status.Files.Failed != 1 || len(status.Folders) != 1 || status.Index.Photos != 1 || status.Index.Behind {
		t.Errorf("the status is %+v", status)
	}
	hits := s.search("").Hits
	if len(hits) != 1 || hits[0].Paths[0] != filepath.Join(photos, "astronaut.jpg") {
		t.Fatalf("it shows %+v", hits)
	}

	// An edit is found at once, here and by other processes.
	photo := "/api/photos/" + hits[0].Photo
	s.ask("PATCH", photo, "application/json", []byte(`{"caption":"A zebra."}`))
	if found := s.search("zebra"); found.Total != 1 {
		t.Errorf("the edit finds %d photos", found.Total)
	}
	if found := l.search("zebra"); len(found) != 1 {
		t.Errorf("`search` finds %d photos", len(found))
	}
	s.ask("PATCH", photo, "application/json", []byte(`{"caption":null}`))
	if found := s.search("zebra"); found.Total != 0 {
		t.Errorf("the undone edit finds %d photos", found.Total)
	}

	// What another process indexes appears by itself.
	writeFile(t, filepath.Join(photos, "coffee.png"), readSample(t, "coffee.png"))
	l.must(exitSomeFailed, "index", photos)
	s.until("the new photo is shown", func() bool { return s.search("").Total == 2 })

	// The seed's question, and the same caption as `caption` writes.
	body, kind := uploadForm(t, readSample(t, "coffee.png"))
	var seed map[string]string
	if err := json.Unmarshal(s.ask("POST", "/caption", kind, body), &seed); err != nil || len(seed) != 1 {
		t.Errorf("the seed's question is answered %v: %v", seed, err)
	}
	if want := l.words(filepath.Join(photos, "coffee.png")); strings.TrimSuffix(seed["caption"], ".") != want {
		t.Errorf("the caption is %q, `caption` writes %q", seed["caption"], want)
	}
	s.ask("POST", "/api/caption", kind, body)

	if took := s.end(); took > 5*time.Second {
		t.Errorf("it takes %v to end", took)
	}
}

func uploadForm(t *testing.T, data []byte) (body []byte, kind string) {
	t.Helper()
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	part, err := form.CreateFormFile("file", "x")
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), form.FormDataContentType()
}

func TestServeSearchesWithoutADatabase(t *testing.T) {
	l := newTestLibrary(t)
	photos := filepath.Join(filepath.Dir(l.data), "photos")
	writeFile(t, filepath.Join(photos, "astronaut.jpg"), readSample(t, "astronaut.jpg"))
	l.must(exitDone, "index", photos)
	l.database = "postgres://nobody@127.0.0.1:1/none" // where nothing listens
	s := l.serve("serve", "--listen", "127.0.0.1:0")
	s.until("the database was asked for", func() bool { return strings.Contains(s.status().DatabaseProblem, "127.0.0.1") })
	if found := s.search("").Hits; len(found) != 1 {
		t.Errorf("it finds %d photos", len(found))
	}
	if status := s.status(); status.Index.Photos != 1 {
		t.Errorf("the status is %+v", status)
	}
	if code, answer := s.try("GET", "/readyz", "", nil); code != 503 {
		t.Errorf("/readyz answers %d %s", code, answer)
	}
}

func TestServeElsewhereWantsTheTokenThatTheFirstStartPrints(t *testing.T) {
	l := newTestLibrary(t)
	first := l.serve("serve", "--listen", "127.0.0.1:0", "--host", "photos.example.org")
	if first.login == "" {
		t.Fatal("no link was printed")
	}
	if code, _ := first.try("GET", "/api/status", "", nil); code != 401 {
		t.Errorf("without the token it answers %d", code)
	}
	if code, _ := first.try("GET", first.login, "", nil); code != http.StatusSeeOther {
		t.Errorf("the link is answered %d", code)
	}
	first.end()
	if again := l.serve("serve", "--listen", "127.0.0.1:0", "--host", "photos.example.org"); again.login != "" {
		t.Error("the second start prints a link, too")
	}
}

// largePhoto is a JPEG file whose thumbnail is worth keeping.
func largePhoto(t *testing.T) []byte {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, 1600, 1000), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(i % 1600 / 8)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestADataFolderThatAForeignDatabaseBeganServesAPrivateOne(t *testing.T) {
	l := newTestLibrary(t)
	l.database = storagetest.Server(t)
	l.must(exitDone, "migrate")
	photos := filepath.Join(filepath.Dir(l.data), "photos")
	writeFile(t, filepath.Join(photos, "astronaut.jpg"), readSample(t, "astronaut.jpg"))
	s := l.serve("watch", photos, "--quiet", "100ms", "--listen", "127.0.0.1:0")
	s.until("the photo is found", func() bool { return s.search("").Total == 1 })
	s.end()
	l.database = ""
	l.must(exitDone, "index", photos) // whose server may run as another user
	if found := l.search("sort:date"); len(found) != 1 {
		t.Errorf("%d photos are found", len(found))
	}
}

// The command is the very first one on its data folder.
func TestWatchServesWhileItWorks(t *testing.T) {
	l := newTestLibrary(t)
	photos := filepath.Join(filepath.Dir(l.data), "photos")
	writeFile(t, filepath.Join(photos, "large.jpg"), largePhoto(t))
	s := l.serve("watch", photos, "--quiet", "100ms", "--listen", "127.0.0.1:0", "--read-only")
	s.until("the photo is found", func() bool { return s.search("").Total == 1 })
	if status := s.status(); !status.ReadOnly || len(status.Folders) != 1 || status.Folders[0].Watch != "watched" {
		t.Errorf("the status is %+v", status)
	}
	metrics := string(s.ask("GET", "/metrics", "", nil))
	for _, line := range []string{
		`shoebox_stage_photos_total{stage="model"} 1`, `shoebox_stage_seconds_total{stage="decode"} `, `shoebox_batch_pictures_bucket{le="1"} 1`,
		"shoebox_batch_pictures_sum 1", "shoebox_decoded_pictures 0",
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	photo := s.search("").Hits[0].Photo
	kept := filepath.Join(l.data, "thumbs", photo[:2], photo[2:4], photo+"-400.jpg")
	before, err := os.ReadFile(kept)
	if err != nil {
		t.Errorf("no thumbnail was made while it was indexed: %v", err)
	}
	if thumb := s.ask("GET", "/photos/"+photo+"/thumb", "", nil); !bytes.Equal(thumb, before) {
		t.Error("another thumbnail is shown than the one that was kept")
	}
	if code, _ := s.try("POST", "/api/failures/retry", "application/json", []byte(`{}`)); code != 403 {
		t.Errorf("a change is answered %d", code)
	}
	// A second process with the same folder serves what the first one holds.
	beside := l.serve("serve", "--listen", "127.0.0.1:0")
	if found := beside.search(""); found.Total != 1 {
		t.Errorf("beside it %d photos are found", found.Total)
	}
	s.end()
	// And takes over when that one has gone.
	writeFile(t, filepath.Join(photos, "coffee.png"), readSample(t, "coffee.png"))
	l.must(exitDone, "index", photos)
	beside.until("what is new is shown", func() bool { return beside.search("").Total == 2 })
	// A forgotten photo cannot be looked at any more.
	l.must(exitDone, "folders", "forget", photos)
	if code, _ := beside.try("GET", "/photos/"+photo+"/thumb", "", nil); code != 404 {
		t.Errorf("the thumbnail of a forgotten photo is answered %d", code)
	}
	if _, err := os.Stat(kept); err == nil {
		t.Error("it is still in the data folder")
	}
}

func TestAnAddressThatIsTakenIsSaid(t *testing.T) {
	l := newTestLibrary(t)
	s := l.serve("serve", "--listen", "127.0.0.1:0")
	out := l.must(exitFailed, "serve", "--listen", strings.TrimPrefix(s.url, "http://"))
	if !strings.Contains(out.stderr, "address already in use") {
		t.Errorf("it says %s", out.stderr)
	}
	if _, err := os.Stat(filepath.Join(l.data, "access.json")); err == nil {
		t.Error("on this machine alone a token was made")
	}
}
