package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed page/*.html page/static
var pageFiles embed.FS

// Page is what a template is shown with.
type Page struct {
	// ReadOnly says that nothing can be changed.
	ReadOnly bool
	// Login says that there is a session, which can be ended.
	Login bool
	// Photo is of photo.html: everything known of it.
	Photo *photoAnswer
	// Of login.html: where to go then, and why it did not work.
	Next, Problem string
}

// pages are the templates and the files that they need, all in the binary.
type pages struct {
	templates *template.Template
	files     map[string]asset // by name below /static/
}

type asset struct {
	data []byte
	hash string
}

func newPages() (*pages, error) {
	p := &pages{files: make(map[string]asset)}
	root, err := fs.Sub(pageFiles, "page/static")
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		sum := sha256.Sum256(data)
		p.files[name] = asset{data, hex.EncodeToString(sum[:8])}
		return err
	})
	if err != nil {
		return nil, err
	}
	p.templates, err = template.New("").Funcs(template.FuncMap{"static": p.address}).ParseFS(pageFiles, "page/*.html")
	return p, err
}

// address is where a file is, with its hash, so that browsers may keep it.
func (p *pages) address(name string) (string, error) {
	file, ok := p.files[name]
	if !ok {
		return "", fmt.Errorf("there is no page/static/%s", name)
	}
	return "/static/" + name + "?v=" + file.hash, nil
}

// staticTypes are by the ends of names. The system's table is not asked: it
// differs between machines.
var staticTypes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	".png": "image/png", ".ico": "image/x-icon", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2",
}

// static answers GET /static/. With its hash in the address a file is kept for
// good, and asked for again without.
func (p *pages) static(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.URL.Path, "/static/")
	file, ok := p.files[name]
	if !ok {
		return refuse(http.StatusNotFound, "not_found", "there is nothing at %s", r.URL.Path)
	}
	kind := unknownBytes
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && staticTypes[name[dot:]] != "" {
		kind = staticTypes[name[dot:]]
	}
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("ETag", strconv.Quote(file.hash))
	header.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == file.hash {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.data))
	return nil
}

// show answers with a page.
func (p *pages) show(w http.ResponseWriter, status int, name string, page Page) error {
	var out bytes.Buffer
	if err := p.templates.ExecuteTemplate(&out, name, page); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the client may have gone
	return nil
}

func (s *Server) newPage() Page { return Page{ReadOnly: s.ReadOnly, Login: s.access.keys != nil} }

// page shows a template that needs to know nothing.
func (s *Server) page(name string) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		return s.pages.show(w, http.StatusOK, name, s.newPage())
	}
}

// photoPage answers GET /photo/{id}.
func (s *Server) photoPage(w http.ResponseWriter, r *http.Request) error {
	id, err := photoID(r)
	if err != nil {
		return err
	}
	photo, err := s.describePhoto(r.Context(), id)
	if err != nil {
		return err
	}
	page := s.newPage()
	page.Photo = &photo
	return s.pages.show(w, http.StatusOK, "photo.html", page)
}
