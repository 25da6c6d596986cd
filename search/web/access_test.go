package web_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoebox/search/web"
)

// everywhere is the address of a server that other machines reach.
var everywhere = &net.TCPAddr{IP: net.IPv4zero, Port: 8012}

func open(c *web.Config)     { c.Addr = everywhere }
func readOnly(c *web.Config) { c.ReadOnly = true }

func TestOnlyRequestsForThisServerAreAnswered(t *testing.T) {
	local := newSite(t)
	cases := []struct {
		name   string
		host   string
		status int
	}{
		{"its address", strings.TrimPrefix(local.url, "http://"), 200},
		{"localhost", "localhost:8012", 200},
		{"a name below localhost", "photos.localhost", 200},
		{"the address of IPv6", "[::1]:8012", 200},
		{"localhost with a dot at its end, in capitals", "LOCALHOST.", 200},
		{"a name that was made to point here", "attacker.example:8012", 421},
		{"one that only begins like localhost", "localhost.attacker.example", 421},
		{"an address that is not its own", "192.0.2.1:8012", 421},
		{"something that is no name", "%00", 421},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range []string{"/api/status", "/", "/healthz", local.asset()} {
				a := local.get(path, hostHeader(c.host))
				if c.status == 421 {
					local.refused(a, 421, "unknown_host")
				} else if a.StatusCode != c.status {
					t.Errorf("%s of host %q answers %d", path, c.host, a.StatusCode)
				}
			}
		})
	}
}

func TestAPageOfAnotherSiteCanChangeNothing(t *testing.T) {
	s := newSite(t)
	edit := []byte(`{"caption":"Owned."}`)
	path := "/api/photos/" + s.ids["china.jpg"].String()
	for name, by := range map[string]func(*http.Request){
		"by its origin":                 header("Origin", "https://attacker.example"),
		"by a null origin":              header("Origin", "null"),
		"by what the browser says":      header("Sec-Fetch-Site", "cross-site"),
		"by a page of a sibling domain": header("Sec-Fetch-Site", "same-site"),
	} {
		t.Run(name, func(t *testing.T) {
			s.refused(s.ask(http.MethodPatch, path, edit, by), 403, "cross_site")
			s.refused(s.ask(http.MethodPost, "/api/failures/retry", []byte(`{}`), by), 403, "cross_site")
			body, kind := form(t, "file", []byte("x"))
			s.refused(s.ask(http.MethodPost, "/caption", body, by, header("Content-Type", kind)), 403, "cross_site")
		})
	}
	if a := s.ask(http.MethodPatch, path, edit, header("Origin", s.url), header("Sec-Fetch-Site", "same-origin")); a.StatusCode != 200 {
		t.Errorf("its own page is answered %d %s", a.StatusCode, a.body)
	}
	// A form cannot send JSON, and what it can send is not taken for it.
	s.refused(s.ask(http.MethodPatch, path, edit, header("Content-Type", "text/plain")), 415, "not_json")
}

func TestBehindAProxyATokenIsNeeded(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Real-IP"} {
		s.refused(s.get("/api/status", header(name, "192.0.2.1")), 403, "behind_proxy")
	}
	named := newSite(t, func(c *web.Config) { c.Hosts = []string{"Photos.Example.org"} })
	if named.server.NewToken() == "" {
		t.Fatal("a server with a name has no token")
	}
	named.refused(named.get("/api/search", hostHeader("photos.example.org")), 401, "no_token")
	allowed := named.get("/api/search", hostHeader("photos.example.org"), header("X-Forwarded-For", "192.0.2.1"), bearer(named))
	if allowed.StatusCode != 200 {
		t.Errorf("with its token it answers %d", allowed.StatusCode)
	}
}

func bearer(s *site) func(*http.Request) {
	return header("Authorization", "Bearer "+s.server.NewToken())
}

func TestOtherMachinesNeedTheToken(t *testing.T) {
	s := newSite(t, open)
	for _, pattern := range s.server.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{$}", "", "{id}", s.ids["china.jpg"].String(), "{name}", "album").Replace(path)
		a := s.ask(method, path, nil)
		switch {
		case path == "/login" && method == "GET", path == "/healthz", path == "/readyz":
			if a.StatusCode != 200 {
				t.Errorf("%s is answered %d", pattern, a.StatusCode)
			}
		case strings.HasPrefix(path, "/static/"):
			s.refused(a, 404, "not_found")
		case path == "/login":
			if a.StatusCode != 400 && a.StatusCode != 401 {
				t.Errorf("%s is answered %d", pattern, a.StatusCode)
			}
		case a.StatusCode == http.StatusSeeOther:
			if to := a.Header.Get("Location"); !strings.HasPrefix(to, "/login?next=") || method != "GET" {
				t.Errorf("%s sends to %s", pattern, to)
			}
		default:
			s.refused(a, 401, "no_token")
			if a.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s does not say what is wanted", pattern)
			}
		}
	}
	if a := s.get("/api/search", bearer(s)); a.StatusCode != 200 {
		t.Errorf("with the token it answers %d %s", a.StatusCode, a.body)
	}
	s.refused(s.get("/api/search", header("Authorization", "Bearer wrong")), 401, "wrong_token")
	s.refused(s.get("/api/search", header("Cookie", "shoebox_session=wrong")), 401, "no_token")
	s.refused(s.get("/api/search", header("Authorization", "Basic "+s.server.NewToken())), 401, "no_token")
}

// logIn follows the link that the start prints, and returns the session.
func logIn(s *site, token, next string) (*http.Cookie, answer) {
	s.t.Helper()
	a := s.get("/login?" + url.Values{"token": {token}, "next": {next}}.Encode())
	for _, cookie := range a.Cookies() {
		if cookie.Name == "shoebox_session" {
			return cookie, a
		}
	}
	return nil, a
}

func TestALinkLogsIn(t *testing.T) {
	s := newSite(t, open)
	cookie, a := logIn(s, s.server.NewToken(), "/library")
	if cookie == nil || a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/library" {
		t.Fatalf("the link is answered %d %v", a.StatusCode, a.Header)
	}
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure {
		t.Errorf("the cookie is %s", cookie)
	}
	if cookie.Value == s.server.NewToken() {
		t.Error("the cookie is the token itself")
	}
	session := header("Cookie", cookie.Name+"="+cookie.Value)
	if a := s.get("/api/search", session); a.StatusCode != 200 {
		t.Errorf("logged in it answers %d", a.StatusCode)
	}
	if a := s.get("/login", session); a.StatusCode != http.StatusSeeOther {
		t.Errorf("who is logged in gets the form: %d", a.StatusCode)
	}
	behindTLS := s.get("/login?token="+s.server.NewToken(), header("X-Forwarded-Proto", "https"))
	if len(behindTLS.Cookies()) != 1 || !behindTLS.Cookies()[0].Secure {
		t.Errorf("through TLS the cookie is %v", behindTLS.Cookies())
	}

	// The session outlives the server, and the token is not shown again.
	s.must(s.end())
	s.start()
	if s.server.NewToken() != "" {
		t.Error("the second start makes another token")
	}
	if a := s.get("/api/search", session); a.StatusCode != 200 {
		t.Errorf("after a restart it answers %d", a.StatusCode)
	}
	if a := s.ask(http.MethodPost, "/logout", nil, session); a.StatusCode != http.StatusSeeOther {
		t.Errorf("logging out is answered %d", a.StatusCode)
	}
	s.refused(s.get("/api/search", session), 401, "no_token")
}

func TestAFormLogsIn(t *testing.T) {
	s := newSite(t, open)
	post := func(token, next string) answer {
		return s.ask(http.MethodPost, "/login", []byte(url.Values{"token": {token}, "next": {next}}.Encode()),
			header("Content-Type", "application/x-www-form-urlencoded"))
	}
	a := post("wrong", "/library")
	if a.StatusCode != 401 || !strings.Contains(string(a.body), "the token is wrong") || !strings.Contains(string(a.body), `value="/library"`) {
		t.Errorf("a wrong token is answered %d %s", a.StatusCode, a.body)
	}
	for next, to := range map[string]string{
		"/photo/x?q=a%20b":     "/photo/x?q=a%20b",
		"":                     "/",
		"//attacker.example":   "/",
		"/\\attacker.example":  "/",
		"https://attacker.org": "/",
		"/\t/attacker.example": "/",
	} {
		if a := post(s.server.NewToken(), next); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != to {
			t.Errorf("logging in for %q is answered %d and sends to %q", next, a.StatusCode, a.Header.Get("Location"))
		}
	}
}

func TestTheFolderHoldsNoSecret(t *testing.T) {
	s := newSite(t, open)
	cookie, _ := logIn(s, s.server.NewToken(), "")
	path := filepath.Join(s.config.Data, "access.json")
	kept, err := os.ReadFile(path)
	s.must(err)
	info, err := os.Stat(path)
	s.must(err)
	if strings.Contains(string(kept), s.server.NewToken()) || strings.Contains(string(kept), cookie.Value) || info.Mode().Perm() != 0o600 {
		t.Errorf("access.json (%v) holds %s", info.Mode(), kept)
	}
	s.must(os.WriteFile(path, kept[:10], 0o600))
	if _, err := web.New(s.config); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("with half an access.json it starts: %v", err)
	}
}

func TestGuessingTokensIsSlow(t *testing.T) {
	s := newSite(t, open)
	for i := range 10 {
		s.refused(s.get("/api/search", header("Authorization", fmt.Sprint("Bearer ", i))), 401, "wrong_token")
	}
	a := s.get("/api/search", bearer(s))
	s.refused(a, 429, "too_many_attempts")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
	s.refused(s.get("/login?token=x"), 429, "too_many_attempts")
}

func TestReadOnlyRefusesEveryChange(t *testing.T) {
	s := newSite(t, readOnly)
	id := s.ids["china.jpg"].String()
	for _, pattern := range s.server.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if method == "GET" || strings.HasSuffix(path, "caption") && path != "/api/recaption" || path == "/login" || path == "/logout" {
			continue // captioning a picture stores nothing
		}
		path = strings.NewReplacer("{id}", id, "{name}", "album").Replace(path)
		s.refused(s.ask(method, path, []byte(`{"caption":"x","query":"x"}`)), 403, "read_only")
	}
	if a := s.get("/api/photos/" + id); !strings.Contains(string(a.body), captions["china.jpg"]) {
		t.Errorf("the photo is %s", a.body)
	}
}

func TestEveryAnswerTellsBrowsersToBeCareful(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/", "/library", "/api/search", "/nothing", "/photos/x/thumb", s.asset(),
		"/photo/" + s.ids["china.jpg"].String()} {
		a := s.get(path)
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
				"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if strings.Contains(a.Header.Get("Access-Control-Allow-Origin"), "*") {
			t.Errorf("%s may be read by any site", path)
		}
	}
}
