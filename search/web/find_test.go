package web_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"shoebox/search"
	"shoebox/search/web/webtest"
)

func TestASearchFindsPhotosAndMarksTheirWords(t *testing.T) {
	s := newSite(t)
	found := s.search("q=woman")
	if found.Total != 2 || len(found.Hits) != 2 {
		t.Fatalf("found %+v, want two women", found)
	}
	for _, hit := range found.Hits {
		if len(hit.Marks) != 1 || hit.Caption[hit.Marks[0].Start:hit.Marks[0].End] != "woman" {
			t.Errorf("%q is marked at %v", hit.Caption, hit.Marks)
		}
	}
	for parameters, want := range map[string]int{
		"":                          5, // every photo
		"q=+":                       5,
		"q=&similar=1":              5,
		"q=woman&limit=1":           1,
		"q=woman&limit=0":           0,
		"q=temple+coffee":           0,
		"q=temple+coffee&similar=1": 2,
		"q=temple+OR+coffee":        2,
		"q=woman&text_only=1":       2,
	} {
		if found := s.search(parameters); len(found.Hits) != want {
			t.Errorf("%s finds %d, want %d", parameters, len(found.Hits), want)
		}
	}
	if found := s.search("q=tempel&limit=5"); found.Total != 0 || len(found.Nearest) == 0 || found.Nearest[0].Instead != "temple" {
		t.Errorf("instead of tempel it offers %+v", found.Nearest)
	}
	if found := s.search("facets=1"); found.Facets == nil || len(found.Facets.Folders) != 1 || found.Facets.Folders[0].Count != 5 {
		t.Errorf("the facets are %+v", found.Facets)
	}
}

// fill sets everything in a value, so that no field of its JSON is left out.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("2019-05-01T10:00:00-00:00")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(5)
	case reflect.Uint64:
		v.SetUint(5)
	case reflect.Float64:
		v.SetFloat(5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic(v.Kind())
	}
}

func TestEveryFieldOfAResultIsDocumented(t *testing.T) {
	var found search.Result
	fill(reflect.ValueOf(&found).Elem())
	found.Hits[0].Photo = strings.Repeat("0", 64)
	found.Hits[0].Paths = []string{"/odd\xff.jpg"}
	object, err := json.Marshal(found)
	if err == nil {
		err = webtest.New(t).CheckSchema("Found", object)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, object)
	}
}

func TestPagesTogetherHoldEveryPhotoOnce(t *testing.T) {
	s := newSite(t)
	var seen []string
	after := ""
	for range 10 {
		page := s.search("limit=2&after=" + url.QueryEscape(after))
		for _, hit := range page.Hits {
			seen = append(seen, hit.Photo)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	slices.Sort(seen)
	if len(seen) != 5 || len(slices.Compact(seen)) != 5 {
		t.Errorf("the pages hold %d photos: %v", len(seen), seen)
	}
}

func TestAQueryThatCannotBeReadSaysWhere(t *testing.T) {
	s := newSite(t)
	p := s.refused(s.get("/api/search?q="+url.QueryEscape(`woman "in a`)), 400, "bad_query")
	if p.At != 7 || p.Mark != "woman \"in a\n      ^" || p.Detail == "" {
		t.Errorf("it says %+v", p)
	}
	for parameters, code := range map[string]string{
		"q=@none":            "bad_request",
		"limit=501":          "bad_request",
		"limit=-1":           "bad_request",
		"limit=x":            "bad_request",
		"facets=perhaps":     "bad_request",
		"after=nonsense":     "bad_request",
		"q=%3F&similar=1":    "bad_query",
		"q=%FF":              "bad_query",
		"q=near:48.85,2.35,": "bad_query",
	} {
		t.Run(parameters, func(t *testing.T) { s.refused(s.get("/api/search?"+parameters), 400, code) })
	}
}

func TestAlbumsAreSavedQueries(t *testing.T) {
	s := newSite(t)
	put := func(name, query string) answer {
		body, _ := json.Marshal(map[string]string{"query": query})
		return s.ask("PUT", "/api/albums/"+name, body)
	}
	if a := put("people", "woman"); a.StatusCode != 200 {
		t.Fatalf("saving is answered %d %s", a.StatusCode, a.body)
	}
	if found := s.search("q=@people"); found.Total != 2 {
		t.Errorf("the album holds %d photos", found.Total)
	}
	s.refused(put("people", "@people dog"), 400, "bad_album")
	s.refused(put("people", `"`), 400, "bad_query")
	s.refused(put("..%2F..%2Faccess.json", "dog"), 400, "bad_request")
	s.refused(put("a%2Fb", "dog"), 400, "bad_request")
	s.refused(s.ask("DELETE", "/api/albums/..%2Fsearch", nil), 400, "bad_request")
	got := decode[struct {
		Albums []struct{ Name, Query string }
	}](t, s.get("/api/albums"))
	if len(got.Albums) != 1 || got.Albums[0].Name != "people" || got.Albums[0].Query != "woman" {
		t.Errorf("the albums are %+v", got)
	}
	if a := s.ask("DELETE", "/api/albums/people", nil); a.StatusCode != 204 {
		t.Errorf("deleting is answered %d", a.StatusCode)
	}
	s.refused(s.ask("DELETE", "/api/albums/people", nil), 404, "unknown_album")
}

func TestWithoutAnIndexASearchSaysWhatToDo(t *testing.T) {
	s := newSite(t)
	empty, err := search.OpenWriter(t.TempDir())
	s.must(err)
	defer empty.Close()
	s.must(s.end())
	s.config.Index = index{empty, s.store}
	s.start()
	a := s.get("/api/search?q=woman")
	found := decode[struct {
		search.Result
		Hint string
	}](t, a)
	if found.Building == nil || found.Hint == "" || !strings.Contains(string(a.body), `"hits":[]`) {
		t.Errorf("it answers %s", a.body)
	}
	s.refused(s.get("/readyz"), 503, "not_ready")
}

// Whatever is asked, the answer is a result or a refusal, and within the
// contract.
func FuzzSearchParameters(f *testing.F) {
	for _, query := range []string{"q=dog", "q=%22", "limit=9999999999999999999", "after=eyJ9", "q=a&after=e30", "q=" + strings.Repeat("(", 60),
		"similar=1&q=%00", "q=@x&facets=1", "q=snow*+brige~+near:1,2,3km", "after=" + strings.Repeat("A", 5000), "q=sort:date&limit=0&facets=true"} {
		f.Add(query)
	}
	s := newSite(f)
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequest("GET", "http://localhost/api/search", nil)
		request.URL.RawQuery = query
		recorder := httptest.NewRecorder()
		s.server.Handler().ServeHTTP(recorder, request)
		if recorder.Code != 200 && recorder.Code != 400 {
			t.Errorf("%q is answered %d %s", query, recorder.Code, recorder.Body)
		}
		if !json.Valid(recorder.Body.Bytes()) {
			t.Errorf("%q is answered with what is no JSON: %s", query, recorder.Body)
		}
	})
}
