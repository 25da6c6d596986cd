package web_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shownPhoto is a part of what is said of a photo.
type shownPhoto struct {
	Photo, Path, Name, Format, Caption string
	Width, Height                      int
	Edited, Unsure, Partial            bool
	Others                             []struct{ Text string }
	LooksLike                          []struct {
		Word        string
		Probability float64
	} `json:"looks_like"`
}

func (s *site) photo(name string) shownPhoto {
	s.t.Helper()
	return decode[shownPhoto](s.t, s.get("/api/photos/"+s.ids[name].String()))
}

func (s *site) edit(name, body string) answer {
	s.t.Helper()
	return s.ask("PATCH", "/api/photos/"+s.ids[name].String(), []byte(body))
}

func TestAPhotoIsShownWithEverythingThatIsKnown(t *testing.T) {
	s := newSite(t)
	p := s.photo("china.jpg")
	if p.Path != filepath.Join(s.photos, "china.jpg") || p.Name != "china.jpg" || p.Format != "jpeg" || p.Width != 640 ||
		p.Caption != captions["china.jpg"] || len(p.Others) != 1 {
		t.Errorf("it is %+v", p)
	}
	// The words that are likelier than for any photo, those that tell most first.
	if len(p.LooksLike) != 2 || p.LooksLike[0].Word != "dog" || p.LooksLike[1].Word != "man" {
		t.Errorf("it looks like %+v", p.LooksLike)
	}
	if got := p.LooksLike[0].Probability; got < 0.87 || got > 0.93 {
		t.Errorf("the probability of a dog is %g, want 0.9", got)
	}
}

func TestAnEditIsFoundAtOnceAndCanBeUndone(t *testing.T) {
	s := newSite(t)
	if p := decode[shownPhoto](t, s.edit("china.jpg", `{"caption":"  A zebra \n and its  foal "}`)); p.Caption != "A zebra and its foal" || !p.Edited {
		t.Errorf("the photo is %+v", p)
	}
	if found := s.search("q=zebra"); found.Total != 1 || found.Hits[0].Photo != s.ids["china.jpg"].String() || !found.Hits[0].Edited {
		t.Errorf("a search for the new word finds %+v", found.Hits)
	}
	if found := s.search("q=by:me"); found.Total != 1 {
		t.Errorf("%d photos are captioned by a person", found.Total)
	}
	if p := decode[shownPhoto](t, s.edit("china.jpg", `{"caption":null}`)); p.Caption != captions["china.jpg"] || p.Edited {
		t.Errorf("after undoing the photo is %+v", p)
	}
	if found := s.search("q=zebra"); found.Total != 0 {
		t.Errorf("after undoing the word still finds %+v", found.Hits)
	}
}

func TestAnEditThatCannotBeReadChangesNothing(t *testing.T) {
	s := newSite(t)
	for body, code := range map[string]string{
		`{}`:                           "bad_request",
		``:                             "bad_request",
		`null`:                         "bad_request",
		`{"caption":""}`:               "bad_request",
		`{"caption":" \n "}`:           "bad_request",
		`{"caption":7}`:                "bad_request",
		`{"caption":"x","score":1}`:    "bad_request",
		`{"caption":"x"}{}`:            "bad_request",
		`{"caption":"x\u0000y"}`:       "bad_request",
		`{"caption":"` + long + `"}`:   "bad_request",
		`{"caption":["A", "zebra"]}`:   "bad_request",
		`[{"caption":"A zebra"}]`:      "bad_request",
		`{"caption":"A zebra."`:        "bad_request",
		`{"caption":"x", "caption":1}`: "bad_request",
	} {
		s.refused(s.edit("china.jpg", body), 400, code)
	}
	huge := []byte(`{"caption":"` + strings.Repeat("x", 2<<20) + `"}`)
	s.refused(s.ask("PATCH", "/api/photos/"+s.ids["china.jpg"].String(), huge), 413, "too_large")
	if p := s.photo("china.jpg"); p.Caption != captions["china.jpg"] || p.Edited {
		t.Errorf("the photo is %+v", p)
	}
}

var long = strings.Repeat("x", 2001)

func TestOnlyPhotosAreReached(t *testing.T) {
	s := newSite(t)
	secret := filepath.Join(filepath.Dir(s.photos), "secret.txt")
	s.must(os.WriteFile(secret, []byte("a secret"), 0o600))
	for _, id := range []string{
		strings.Repeat("0", 64), strings.Repeat("g", 64), "x", "..", "%2e%2e", "..%2f..%2fsecret.txt", "%2Fetc%2Fpasswd",
		"..%5c..%5csecret.txt", "china.jpg", url.PathEscape(secret), s.ids["china.jpg"].String()[:63], s.ids["china.jpg"].String() + "00",
	} {
		for _, path := range []string{"/api/photos/" + id, "/photos/" + id + "/thumb", "/photos/" + id + "/preview",
			"/photos/" + id + "/original", "/photo/" + id} {
			a := s.get(path)
			if a.StatusCode != 404 && a.StatusCode != 307 && a.StatusCode != 301 || strings.Contains(string(a.body), "a secret") {
				t.Errorf("%s is answered %d %s", path, a.StatusCode, a.body)
			}
		}
	}
	for _, path := range []string{"/static/..%2Fsearch.html", "/static/../../web.go", "/static/%2e%2e/search.html", "/static/", "/static/..%2f..%2fopenapi.json"} {
		if a := s.get(path); a.StatusCode == 200 {
			t.Errorf("%s is answered %d %.100s", path, a.StatusCode, a.body)
		}
	}
	s.refused(s.ask("PATCH", "/api/photos/"+strings.Repeat("0", 64), []byte(`{"caption":"x"}`)), 404, "unknown_photo")
}

func TestMarkupInNamesAndCaptionsStaysText(t *testing.T) {
	s := newSite(t)
	name := "<b>bold é.heic"
	p := s.photo(name)
	if p.Caption != captions[name] || p.Name != name {
		t.Errorf("the photo is %+v", p)
	}
	id := s.ids[name].String()
	for _, path := range []string{"/api/photos/" + id, "/api/search?q=squares"} {
		a := s.get(path)
		if strings.Contains(string(a.body), "<script>") || strings.Contains(string(a.body), "<b>") || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s answers %s with %s", path, a.Header.Get("Content-Type"), a.body)
		}
	}
	page := s.get("/photo/" + id)
	if page.StatusCode != 200 || strings.Contains(string(page.body), "<script>alert") || strings.Contains(string(page.body), "<b>bold") {
		t.Errorf("the page is %d %s", page.StatusCode, page.body)
	}
}

func TestWithoutTheDatabaseSearchAndPhotosGoOn(t *testing.T) {
	s := newSite(t)
	whole := s.photo("china.jpg")
	s.store.away.Store(true)
	if found := s.search("q=temple"); found.Total != 1 {
		t.Errorf("a search finds %d photos", found.Total)
	}
	p := s.photo("china.jpg")
	if !p.Partial || p.Caption != whole.Caption || p.Path != whole.Path || p.Width != whole.Width {
		t.Errorf("the photo is %+v", p)
	}
	for _, kind := range []string{"thumb", "preview", "original"} {
		if a := s.get("/photos/" + s.ids["coffee.png"].String() + "/" + kind); a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "image/") {
			t.Errorf("%s is answered %d %s", kind, a.StatusCode, a.Header.Get("Content-Type"))
		}
	}
	s.refused(s.get("/readyz"), 503, "not_ready")
	a := s.get("/api/failures")
	s.refused(a, 503, "database_unavailable")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
	if a := s.get("/healthz"); a.StatusCode != 200 {
		t.Errorf("/healthz answers %d", a.StatusCode)
	}
	if metrics := s.get("/metrics"); !strings.Contains(string(metrics.body), "shoebox_database_up 0") {
		t.Error("the metrics do not say that the database is away")
	}
	s.store.away.Store(false)
	if p := s.photo("china.jpg"); p.Partial {
		t.Error("with the database back the photo is still a part")
	}
}

func TestAPathThatIsNotUTF8IsGivenExactly(t *testing.T) {
	s := newSite(t)
	odd := filepath.Join(s.photos, "odd\xff.jpg")
	data, err := os.ReadFile(filepath.Join(s.photos, "china.jpg"))
	s.must(err)
	s.must(os.WriteFile(odd, data, 0o600))
	s.must(os.Remove(filepath.Join(s.photos, "china.jpg")))
	s.must(s.rename("china.jpg", "odd\xff.jpg"))
	a := s.get("/api/photos/" + s.ids["china.jpg"].String())
	var got struct {
		Path    string
		PathB64 []byte `json:"path_b64"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil || string(got.PathB64) != odd || !strings.HasSuffix(got.Path, "odd\uFFFD.jpg") {
		t.Errorf("the path is %q, exactly %q: %v", got.Path, got.PathB64, err)
	}
	original := s.get("/photos/" + s.ids["china.jpg"].String() + "/original")
	if original.StatusCode != 200 || strings.Contains(original.Header.Get("Content-Disposition"), "\xff") {
		t.Errorf("the original is answered %d %q", original.StatusCode, original.Header.Get("Content-Disposition"))
	}
}
