package web_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever stands in a parameter, no file is reached by it.
func TestNoParameterLeadsToAFile(t *testing.T) {
	s := newSite(t)
	s.client.Transport = http.DefaultTransport // not all of this is a request that is documented
	secret := filepath.Join(s.config.Data, "secret.txt")
	s.must(os.WriteFile(secret, []byte("a secret"), 0o600))
	below := filepath.Join(s.config.Data, "albums", "kept") // of an album
	s.must(os.MkdirAll(filepath.Dir(below), 0o700))
	s.must(os.WriteFile(below, []byte("a secret"), 0o600))
	hostile := []string{
		secret, "../secret.txt", "../../../../../../../../etc/passwd", "..\\secret.txt", "....//secret.txt", "file://" + secret,
		"secret.txt\x00.jpg", ".", "..", "/", "~", "albums/../../secret.txt",
	}
	check := func(what string, a answer) {
		t.Helper()
		if strings.Contains(string(a.body), "a secret") || strings.Contains(string(a.body), "root:x:") {
			t.Errorf("%s is answered %d with a file: %.200s", what, a.StatusCode, a.body)
		}
		if to := a.Header.Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//")) {
			t.Errorf("%s leads to %s", what, to)
		}
	}
	for _, value := range hostile {
		escaped := url.PathEscape(value)
		for _, pattern := range s.server.Patterns() {
			method, path, _ := strings.Cut(pattern, " ")
			if !strings.Contains(path, "{id}") && !strings.Contains(path, "{name}") {
				continue
			}
			path = strings.NewReplacer("{id}", escaped, "{name}", escaped).Replace(path)
			a := s.ask(method, path, []byte(`{"query":"dog","caption":"x"}`))
			if check(method+" "+path, a); a.StatusCode == 200 || a.StatusCode == 204 || a.StatusCode >= 500 {
				t.Errorf("%s %s is answered %d", method, path, a.StatusCode)
			}
		}
		token := base64.RawURLEncoding.EncodeToString([]byte(value + "\x00" + value))
		for _, query := range []string{
			"/api/search?q=" + url.QueryEscape("@"+value), "/api/search?q=" + url.QueryEscape(`folder:"`+value+`"`),
			"/api/search?after=" + url.QueryEscape(value), "/api/failures?after=" + token, "/api/failures?after=" + url.QueryEscape(value),
			"/login?next=" + url.QueryEscape(value), "/static/" + escaped, "/static/app.css?v=" + url.QueryEscape(value),
			s.file("china.jpg", "original") + "?download=" + url.QueryEscape(value),
		} {
			if a := s.get(query); a.StatusCode >= 500 {
				t.Errorf("%s is answered %d %s", query, a.StatusCode, a.body)
			} else if !strings.Contains(query, "/original") {
				check(query, a)
			}
		}
		body := `{"paths":["` + strings.NewReplacer(`\`, `\\`, "\x00", ``).Replace(value) + `"]}`
		check("a retry of "+value, s.ask("POST", "/api/failures/retry", []byte(body)))
	}
	if data, err := os.ReadFile(below); err != nil || string(data) != "a secret" {
		t.Errorf("a file was changed: %s, %v", data, err)
	}
}

func TestTheThumbnailOfAForgottenPhotoIsNotShown(t *testing.T) {
	s := newSite(t)
	thumb := s.file("china.jpg", "thumb")
	if a := s.get(thumb); a.StatusCode != 200 {
		t.Fatalf("it is answered %d", a.StatusCode)
	}
	s.store.away.Store(true)
	if a := s.get(thumb); a.StatusCode != 200 {
		t.Errorf("without the database it is answered %d", a.StatusCode)
	}
	s.store.away.Store(false)
	s.must(s.store.ForgetFolder(t.Context(), s.photos))
	s.refused(s.get(thumb), 404, "unknown_photo")
}
