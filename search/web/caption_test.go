package web_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shoebox/captioner/picture"
	"shoebox/search/web"
)

// coffee is a photo of the library.
func (s *site) coffee() []byte {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.photos, "coffee.png"))
	s.must(err)
	return data
}

func TestAPictureIsCaptionedAndNothingIsStored(t *testing.T) {
	s := newSite(t)
	seed := s.upload("/caption", "file", s.coffee())
	if seed.StatusCode != 200 || string(seed.body) != `{"caption":"A dog in the snow."}`+"\n" {
		t.Errorf("the seed's question is answered %d %s", seed.StatusCode, seed.body)
	}
	got := decode[struct {
		Caption       string
		Width, Height int
		Others        []struct{ Text string }
		LooksLike     []struct{ Probability float64 } `json:"looks_like"`
	}](t, s.upload("/api/caption", "file", s.coffee()))
	if got.Caption != "A dog in the snow." || got.Width != 600 || len(got.Others) != 1 || got.LooksLike[0].Probability != 0.912 {
		t.Errorf("the answer is %+v", got)
	}
	type looks struct {
		Looks *struct {
			Columns, Rows int
			Words         []struct {
				Word       string
				Start, End int
				Share      []float64
			}
		}
	}
	where := decode[looks](t, s.upload("/api/caption", "file", s.coffee())).Looks
	if where == nil || where.Columns != 2 || where.Rows != 2 || len(where.Words) != 5 {
		t.Fatalf("where it looked is %+v", where)
	}
	if snow := where.Words[4]; snow.Word != "snow" || got.Caption[snow.Start:snow.End] != "snow" || !slices.Equal(snow.Share, []float64{0, 0, 0.3333, 0.6667}) {
		t.Errorf("for the last word it is %+v", snow)
	}
	s.captioner.blind = true
	if where := decode[looks](t, s.upload("/api/caption", "file", s.coffee())).Looks; where != nil {
		t.Errorf("a model that does not tell looked at %+v", where)
	}
	if status, err := s.store.Status(t.Context()); err != nil || status.Photos != len(captions) {
		t.Errorf("there are %d photos: %v", status.Photos, err)
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	s := newSite(t)
	coffee := s.coffee()
	s.refused(s.upload("/caption", "photo", coffee), 400, "no_file")
	s.refused(s.upload("/caption", "file", nil), 422, "empty")
	s.refused(s.upload("/caption", "file", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")), 415, "not-a-picture")
	s.refused(s.upload("/caption", "file", coffee[:len(coffee)/2]), 422, "truncated")
	s.refused(s.ask("POST", "/caption", coffee, header("Content-Type", "image/png")), 415, "not_multipart")
	s.refused(s.ask("POST", "/caption", coffee, header("Content-Type", "multipart/form-data; boundary=x")), 400, "no_file")
	body, kind := form(t, "file", coffee)
	s.refused(s.ask("POST", "/caption", body[:len(body)/2], header("Content-Type", kind)), 400, "bad_request")
}

// bomb is a small PNG file that promises very many pixels.
func bomb(t *testing.T, width, height int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAPictureThatIsTooLargeIsRefusedBeforeItIsDecoded(t *testing.T) {
	s := newSite(t, func(c *web.Config) { c.Memory = picture.NewBudget(64 << 20) })
	data := bomb(t, 10_000, 8_000) // 80 MB of pixels in 80 kB
	if len(data) > 200_000 {
		t.Fatalf("the file has %d bytes", len(data))
	}
	s.refused(s.upload("/api/caption", "file", data), 413, "too-large")
}

func TestAnUploadThatIsTooLargeIsRefused(t *testing.T) {
	s := newSite(t)
	// Its length is said before: not a byte of it is waited for.
	body, kind := form(t, "file", nil)
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/caption", io.MultiReader(bytes.NewReader(body), never{t.Context()}))
	s.must(err)
	r.ContentLength = 10 << 30
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Expect", "100-continue")
	response, err := (&http.Transport{ExpectContinueTimeout: time.Minute}).RoundTrip(r)
	s.must(err)
	defer response.Body.Close()
	read, _ := io.ReadAll(response.Body)
	s.refused(answer{response, read}, 413, "too_large")

	// It is not said: what comes is counted.
	opening, _, _ := bytes.Cut(body, []byte("--"+strings.TrimPrefix(kind, "multipart/form-data; boundary=")+"--"))
	r, err = http.NewRequestWithContext(t.Context(), "POST", s.url+"/caption", io.MultiReader(bytes.NewReader(opening), io.LimitReader(zeros{}, 70<<20)))
	s.must(err)
	r.Header.Set("Content-Type", kind)
	response, err = http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return // the server hung up while more was being sent
	}
	defer response.Body.Close()
	read, _ = io.ReadAll(response.Body)
	s.refused(answer{response, read}, 413, "too_large")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// never is a body of which nothing comes.
type never struct{ ctx context.Context }

func (n never) Read([]byte) (int, error) { <-n.ctx.Done(); return 0, n.ctx.Err() }

func TestBeyondAFewPicturesAtOnceTheOthersAreToldToComeAgain(t *testing.T) {
	s := newSite(t)
	s.captioner.hold = make(chan struct{})
	coffee := s.coffee()
	const most = 4
	var uploads sync.WaitGroup
	release := sync.OnceFunc(func() { close(s.captioner.hold) })
	defer release()
	accepted := make(chan int, most)
	for range most {
		uploads.Go(func() {
			status := http.StatusTooManyRequests
			for status == http.StatusTooManyRequests { // the one below may have the place for a moment
				status = s.upload("/caption", "file", coffee).StatusCode
			}
			accepted <- status
		})
	}
	// While one is captioned and the others wait, another one is refused.
	for {
		a := s.upload("/caption", "photo", coffee) // would be refused for its field, had it a place
		if a.StatusCode == 429 {
			s.refused(a, 429, "too_many_requests")
			if a.Header.Get("Retry-After") == "" {
				t.Error("it does not say when to come again")
			}
			break
		}
	}
	if found := s.search("q=temple"); found.Total != 1 {
		t.Error("meanwhile nothing can be found")
	}
	if busy := s.captioner.busy.Load(); busy > 1 {
		t.Errorf("%d pictures are captioned at once", busy)
	}
	release()
	uploads.Wait()
	for range most {
		if status := <-accepted; status != 200 {
			t.Errorf("one that had a place is answered %d", status)
		}
	}
}

func TestAModelThatCannotBeLoadedIsTriedAgain(t *testing.T) {
	loads := 0
	s := newSite(t)
	s.must(s.end())
	model := s.config.Captioner
	s.config.Captioner = func(ctx context.Context) (web.Captioner, error) {
		if loads++; loads == 1 {
			return nil, errors.New("there is no ONNX Runtime")
		}
		return model(ctx)
	}
	s.start()
	s.refused(s.upload("/caption", "file", s.coffee()), 503, "no_model")
	if a := s.upload("/caption", "file", s.coffee()); a.StatusCode != 200 {
		t.Errorf("the second time it answers %d %s", a.StatusCode, a.body)
	}
}
