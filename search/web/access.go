package web

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// securityPolicy lets pages load nothing but what this server has, and no
// script or style that stands in them.
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// protect sets what browsers are to obey on every answer, and turns a panic
// into one.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", securityPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		defer func() {
			if cause := recover(); cause != nil {
				if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(cause)
				}
				slog.Error("a request failed", "request", r.Method+" "+r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
				refuse(http.StatusInternalServerError, "internal", "something went wrong; the log of shoebox says what").write(w)
			}
		}()
		next.ServeHTTP(&patientWriter{ResponseWriter: w}, r)
	})
}

// access decides who may ask.
type access struct {
	addr     netip.Addr // where the server listens
	hosts    []string   // names besides those of loopback
	keys     *keyring   // nil: no token is needed
	newToken string
	failed   failures
	origins  http.CrossOriginProtection
}

// newAccess makes a token necessary for whatever can be reached from other
// machines: by its address, or by a name that somebody gave it.
func newAccess(c Config) (*access, error) {
	a := &access{}
	for _, host := range c.Hosts {
		a.hosts = append(a.hosts, hostName(host))
	}
	if tcp, ok := c.Addr.(*net.TCPAddr); ok {
		a.addr = tcp.AddrPort().Addr().Unmap()
	}
	if a.addr.IsLoopback() && len(a.hosts) == 0 {
		return a, nil
	}
	if name, err := os.Hostname(); err == nil && !a.addr.IsLoopback() {
		a.hosts = append(a.hosts, hostName(name))
	}
	var err error
	a.keys, a.newToken, err = openKeyring(filepath.Join(c.Data, "access.json"))
	return a, err
}

func (a *access) tokenFile() string {
	if a.keys == nil {
		return ""
	}
	return a.keys.path
}

// hostName is a Host header without its port, in small letters.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// knows reports whether a Host header names this server. A page of somebody
// else's, whose name was made to point here (DNS rebinding), has its own there.
// Addresses cannot be made to point elsewhere.
func (a *access) knows(host string) bool {
	name := hostName(host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(a.hosts, name) {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && (address.IsLoopback() || a.addr.IsUnspecified() || address.Unmap() == a.addr)
}

// forwarded are headers by which a reverse proxy says that it is one.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"}

// public are what everybody may see: the way in, and whether the server lives.
func public(path string) bool {
	return path == "/login" || path == "/healthz" || path == "/readyz" || strings.HasPrefix(path, "/static/")
}

// check lets pass who may ask.
func (a *access) check(next http.Handler) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request) error {
		if !a.knows(r.Host) {
			return refuse(http.StatusMisdirectedRequest, "unknown_host",
				"this server does not go by the name %q: `shoebox serve --host NAME` gives it one", hostName(r.Host))
		}
		if a.keys == nil && slices.ContainsFunc(forwarded, func(name string) bool { return r.Header.Get(name) != "" }) {
			return refuse(http.StatusForbidden, "behind_proxy",
				"behind a reverse proxy a token is needed: `shoebox serve --host NAME`, with the name that browsers ask for")
		}
		if err := a.origins.Check(r); err != nil {
			return refuse(http.StatusForbidden, "cross_site", "a page of another site asks for a change")
		}
		if a.keys != nil && !public(r.URL.Path) {
			if err := a.admit(r); err != nil {
				if wantsPage(r) {
					http.Redirect(w, r, "/login?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
					return nil
				}
				w.Header().Set("WWW-Authenticate", `Bearer realm="shoebox"`)
				return err
			}
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// admit looks for a token or a session that is valid.
func (a *access) admit(r *http.Request) error {
	if cookie, err := r.Cookie(sessionCookie); err == nil && a.keys.session(cookie.Value) {
		return nil
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return refuse(http.StatusUnauthorized, "no_token", "a token is needed: log in, or send Authorization: Bearer TOKEN")
	}
	return a.verify(r, token)
}

// verify compares a token, unless too many wrong ones came from there.
func (a *access) verify(r *http.Request, token string) error {
	if wait := a.failed.wait(r.RemoteAddr); wait > 0 {
		return later(http.StatusTooManyRequests, wait, "too_many_attempts", "too many wrong tokens: try again later")
	}
	if !a.keys.token(token) {
		a.failed.add(r.RemoteAddr)
		return refuse(http.StatusUnauthorized, "wrong_token", "the token is wrong")
	}
	return nil
}

// wantsPage reports whether a person asks for a page.
func wantsPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	path := r.URL.Path
	return path == "/" || path == "/library" || path == "/caption" || strings.HasPrefix(path, "/photo/")
}

// orProblem has what no route fits answered like all other problems.
func orProblem(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, route := mux.Handler(r); route != "" {
			mux.ServeHTTP(w, r)
			return
		}
		answer := discarded{header: make(http.Header)}
		mux.ServeHTTP(&answer, r)
		if allow := answer.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			refuse(http.StatusMethodNotAllowed, "method_not_allowed", "%s is not possible here, but %s", r.Method, allow).write(w)
			return
		}
		refuse(http.StatusNotFound, "not_found", "there is nothing at %s", r.URL.Path).write(w)
	})
}

// discarded is an answer of which only the headers count.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(int)             {}
