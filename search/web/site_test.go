package web_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/search"
	"shoebox/search/web"
	"shoebox/search/web/webtest"
	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
	"shoebox/thumbs"
)

const leaseTime = time.Minute

func makePipe(path string) error { return unix.Mkfifo(path, 0o600) }

func TestMain(m *testing.M) { os.Exit(storagetest.Main(m)) }

// site is a served library with a real database, a real index and real photos.
type site struct {
	t         testing.TB
	url       string // without a slash at its end
	client    *http.Client
	store     *store
	index     index
	captioner *fakeCaptioner
	server    *web.Server
	config    web.Config
	photos    string // the folder that is indexed
	ids       map[string]storage.PhotoID
	stop      func() error // ends the server; nil: it has ended
}

// store is a database that can be away.
type store struct {
	*postgres.Store
	away atomic.Bool
}

var errAway = errors.Join(storage.ErrUnavailable, errors.New("it is away for a test"))

func (s *store) PhotosByID(ctx context.Context, ids []storage.PhotoID) ([]storage.Change, error) {
	if s.away.Load() {
		return nil, errAway
	}
	return s.Store.PhotosByID(ctx, ids)
}

func (s *store) CountFiles(ctx context.Context, folders []int64) (storage.Counts, error) {
	if s.away.Load() {
		return storage.Counts{}, errAway
	}
	return s.Store.CountFiles(ctx, folders)
}

func (s *store) Status(ctx context.Context) (storage.Status, error) {
	if s.away.Load() {
		return storage.Status{}, errAway
	}
	return s.Store.Status(ctx)
}

func (s *store) FailuresAfter(ctx context.Context, after storage.FailurePlace, n int) ([]storage.FailedFile, error) {
	if s.away.Load() {
		return nil, errAway
	}
	return s.Store.FailuresAfter(ctx, after, n)
}

func (s *store) Shown(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error) {
	if s.away.Load() {
		return nil, errAway
	}
	return s.Store.Shown(ctx, ids)
}

type index struct {
	*search.Index
	feed search.Feed
}

func (i index) CatchUp(ctx context.Context) error {
	_, err := i.Project(ctx, i.feed)
	return err
}

var testVocabulary = storage.Vocabulary{Smallest: 0.001, Words: []storage.PictureWord{
	{Stem: "dog", Prior: 0.1, Forms: []string{"dog", "dogs"}},
	{Stem: "snow", Prior: 0.02, Forms: []string{"snow"}},
	{Stem: "man", Prior: 0.3, Forms: []string{"man"}},
}}

const testModel = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// fakeCaptioner says the same of every picture, and waits where a test wants.
type fakeCaptioner struct {
	hold  chan struct{} // closed or nil: it does not wait
	busy  atomic.Int32
	blind bool // it does not tell where it looks
}

func (c *fakeCaptioner) Explain([]byte) (captioner.Explanation, error) {
	c.busy.Add(1)
	defer c.busy.Add(-1)
	if c.hold != nil {
		<-c.hold
	}
	said := captioner.Explanation{Description: captioner.Description{
		Caption: storage.Caption{Text: "A dog in the snow.", Score: -0.5, Model: testModel},
		Seen:    storage.Seen{Others: []storage.OtherCaption{{Text: "A dog.", Likelihood: -3}}, Model: testModel},
	}}
	if c.blind {
		return said, captioner.ErrNoLooks
	}
	said.Columns, said.Rows = 2, 2
	said.Looks = []captioner.Look{ // the dog is at the top left, the snow at the bottom
		{Word: "A", Start: 0, End: 1, Share: []float32{.25, .25, .25, .25}},
		{Word: "dog", Start: 2, End: 5, Share: []float32{1, 0, 0, 0}},
		{Word: "in", Start: 6, End: 8, Share: []float32{.25, .25, .25, .25}},
		{Word: "the", Start: 9, End: 12, Share: []float32{.25, .25, .25, .25}},
		{Word: "snow", Start: 13, End: 17, Share: []float32{0, 0, 1.0 / 3, 2.0 / 3}},
	}
	return said, nil
}

func (*fakeCaptioner) LooksLike(captioner.Description, int) []captioner.Likely {
	return []captioner.Likely{{Word: "dog", Probability: 0.91234}}
}
func (*fakeCaptioner) Size() picture.Size { return picture.Size{Width: 224, Height: 224} }
func (*fakeCaptioner) Name() string       { return "test" }
func (*fakeCaptioner) Hash() string       { return testModel }

// captions are those of the photos of a site, by file name.
var captions = map[string]string{
	"astronaut.jpg":    "A woman in an orange suit smiles.",
	"china.jpg":        "A temple behind a garden.",
	"grace_hopper.jpg": "A woman in a uniform.",
	"coffee.png":       "A cup of coffee on a table.",
	"<b>bold é.heic":   "A colourful picture <script>alert(1)</script> of squares.",
}

// newSite serves a library of five photos, and a failure. change adapts how.
func newSite(t testing.TB, change ...func(*web.Config)) *site {
	t.Helper()
	ctx := t.Context()
	url := storagetest.Server(t)
	if _, _, err := postgres.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	opened, err := postgres.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	s := &site{t: t, store: &store{Store: opened}, captioner: &fakeCaptioner{}, photos: t.TempDir(), ids: make(map[string]storage.PhotoID)}
	data := t.TempDir()
	s.fill()
	held, err := search.OpenWriter(filepath.Join(data, "search"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	s.index = index{held, s.store}
	if err := s.index.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	s.config = web.Config{
		Index: s.index, Store: s.store, Albums: search.Albums{Dir: filepath.Join(data, "albums")},
		Captioner: func(context.Context) (web.Captioner, error) { return s.captioner, nil },
		Recaption: func(ctx context.Context, olderOnly bool) (int, error) {
			return s.store.Recaption(ctx, "another", olderOnly)
		},
		Status: s.status,
		Data:   data, Thumbs: thumbs.In(data), Memory: picture.NewBudget(800 << 20),
		Working: func() bool { return false },
	}
	t.Cleanup(s.config.Thumbs.Close)
	for _, adapt := range change {
		adapt(&s.config)
	}
	s.start()
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s
}

// status is as cmd/shoebox makes it, whose tests compare that with openapi.json.
func (s *site) status(ctx context.Context) (any, error) {
	status, err := s.store.Status(ctx)
	t := status.Total
	answer := map[string]any{
		"folders": []any{}, "models": []any{}, "failures": []any{}, "workers": []any{}, "per_second": 0, "older": 0, "read_only": false,
		"photos": status.Photos, "unsure": status.Unsure, "edited": status.Edited,
		"files": map[string]int{"pending": t.Pending, "leased": t.Leased, "done": t.Done, "failed": t.Failed,
			"unsupported": t.Unsupported, "missing": t.Missing, "retrying": t.Retrying},
		"index": map[string]any{"photos": status.Photos, "behind": false},
	}
	if !status.PausedSince.IsZero() {
		answer["paused_since"] = status.PausedSince
	}
	return answer, err
}

// start serves on a port of its own. An address that the configuration names is
// one that the server is told it listens at.
func (s *site) start() {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	if s.config.Addr == nil {
		s.config.Addr = listener.Addr()
	}
	if s.server, err = web.New(s.config); err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(ctx, listener) }()
	s.stop = func() error {
		stop()
		err := <-ended
		s.server.Close()
		return err
	}
	s.url = "http://" + listener.Addr().String()
	s.client = &http.Client{
		Transport:     webtest.New(s.t).Transport(s.t),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
}

// end stops the server, once.
func (s *site) end() error {
	if s.stop == nil {
		return nil
	}
	stop := s.stop
	s.stop = nil
	return stop()
}

// fill puts photos into the folder and the database, as a worker would.
func (s *site) fill() {
	s.t.Helper()
	ctx := s.t.Context()
	folder, err := s.store.AddFolder(ctx, s.photos)
	s.must(err)
	s.must(s.store.RecordModel(ctx, testModel, "test", testVocabulary))
	names := []string{"broken.jpg"}
	s.write("broken.jpg", []byte("no picture"))
	for name := range captions {
		source := filepath.Join("..", "..", "testdata", "photos", name)
		if strings.HasSuffix(name, ".heic") {
			source = filepath.Join("..", "..", "captioner", "picture", "testdata", "inputs", "colour.heic")
		}
		data, err := os.ReadFile(source)
		s.must(err)
		s.write(name, data)
		names = append(names, name)
	}
	slices.Sort(names)
	var found storage.ScanChanges
	for _, name := range names {
		found.Upserts = append(found.Upserts, storage.FileStat{Path: name, Size: 1, ModTime: 1})
	}
	s.must(s.store.ApplyScan(ctx, folder.ID, found))
	owner := storage.Owner{Machine: "test", PID: 1, StartedAt: 1}
	claims, err := s.store.Claim(ctx, owner, []int64{folder.ID}, len(names), time.Minute)
	s.must(err)
	var results []storage.Result
	for _, claim := range claims {
		results = append(results, s.result(claim))
	}
	if n, err := s.store.Commit(ctx, owner, results); err != nil || n != len(names) {
		s.t.Fatalf("committed %d of %d: %v", n, len(names), err)
	}
}

func (s *site) result(claim storage.Claim) storage.Result {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.photos, claim.Path))
	s.must(err)
	id := storage.PhotoID(sha256.Sum256(data))
	pic, err := picture.Decode(data, picture.Size{Width: 224, Height: 224})
	if err != nil {
		return storage.Result{Claim: claim, Failure: &storage.Failure{State: storage.Failed, Code: "not-a-picture", Text: err.Error()}}
	}
	s.ids[claim.Path] = id
	photo := &storage.Photo{
		ID: id, Pixels: sha256.Sum256(pic.Pixels), Format: pic.Format, Width: pic.Width, Height: pic.Height, Metadata: pic.Metadata,
		Caption: storage.Caption{Text: captions[claim.Path], Score: -0.75, Model: testModel},
		Seen: storage.Seen{Model: testModel, Others: []storage.OtherCaption{{Text: "Something else.", Likelihood: -5}},
			Words: []byte{testVocabulary.Evidence(0, 0.9), testVocabulary.Evidence(1, 0.02), testVocabulary.Evidence(2, 0.5)}},
	}
	return storage.Result{Claim: claim, PhotoID: id, Photo: photo}
}

func (s *site) write(name string, data []byte) {
	s.t.Helper()
	s.must(os.WriteFile(filepath.Join(s.photos, name), data, 0o600))
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body []byte
}

// ask sends a request. adapt changes it before.
func (s *site) ask(method, path string, body []byte, adapt ...func(*http.Request)) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(body))
	s.must(err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, change := range adapt {
		change(r)
	}
	response, err := s.client.Do(r)
	s.must(err)
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	s.must(err)
	return answer{response, read}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func hostHeader(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }

func (s *site) get(path string, adapt ...func(*http.Request)) answer {
	s.t.Helper()
	return s.ask(http.MethodGet, path, nil, adapt...)
}

var assets = regexp.MustCompile(`/static/[^"?]+`)

// asset is a file that a page needs.
func (s *site) asset() string {
	s.t.Helper()
	page := s.get("/library")
	name := assets.Find(page.body)
	if name == nil {
		s.t.Fatalf("the page needs no file: %d %s", page.StatusCode, page.body)
	}
	return string(name)
}

// problem is what a refusal says.
type problem struct {
	Status int
	Code   string
	Detail string
	At     int
	Mark   string
}

// refused checks that an answer is a problem of that kind.
func (s *site) refused(a answer, status int, code string) problem {
	s.t.Helper()
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		s.t.Fatalf("answers %d %s, want a problem %d %q", a.StatusCode, a.body, status, code)
	}
	if a.StatusCode != status || p.Status != status || p.Code != code {
		s.t.Fatalf("answers %d %s, want %d with the code %q", a.StatusCode, a.body, status, code)
	}
	if kind := a.Header.Get("Content-Type"); kind != "application/problem+json" {
		s.t.Errorf("a problem comes as %q", kind)
	}
	return p
}

// decode reads an answer that has to be good.
func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var value T
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s %s answers %d %s", a.Request.Method, a.Request.URL, a.StatusCode, a.body)
	}
	if err := json.Unmarshal(a.body, &value); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return value
}

func (s *site) search(parameters string) search.Result {
	s.t.Helper()
	return decode[search.Result](s.t, s.get("/api/search?"+parameters))
}

// upload sends a form with a file.
func (s *site) upload(path, field string, data []byte) answer {
	s.t.Helper()
	body, kind := form(s.t, field, data)
	return s.ask(http.MethodPost, path, body, header("Content-Type", kind))
}

func form(t testing.TB, field string, data []byte) (body []byte, contentType string) {
	t.Helper()
	var out bytes.Buffer
	writer := multipart.NewWriter(&out)
	part, err := writer.CreateFormFile(field, "x.jpg")
	if err == nil {
		_, err = part.Write(data)
	}
	if err = errors.Join(err, writer.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), writer.FormDataContentType()
}
