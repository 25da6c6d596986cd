package web

import (
	"net/http"
	"strings"
)

const sessionCookie = "shoebox_session"

// loginPage answers GET /login: the form, or, with the token that the start
// printed as a link, the session.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) error {
	if token := r.URL.Query().Get("token"); token != "" && s.access.keys != nil {
		return s.logIn(w, r, token, r.URL.Query().Get("next"))
	}
	if s.access.keys == nil || s.access.admit(r) == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	return s.showLogin(w, http.StatusOK, r.URL.Query().Get("next"), nil)
}

// login answers POST /login, the form's.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	if s.access.keys == nil {
		return refuse(http.StatusNotFound, "no_login", "no token is needed here")
	}
	if err := readWithin(w, r, 64<<10, smallBody, r.ParseForm); err != nil {
		return refuse(http.StatusBadRequest, "bad_request", "the form cannot be read")
	}
	return s.logIn(w, r, r.PostForm.Get("token"), r.PostForm.Get("next"))
}

func (s *Server) logIn(w http.ResponseWriter, r *http.Request, token, next string) error {
	if err := s.access.verify(r, strings.TrimSpace(token)); err != nil {
		p := problemOf(err)
		if p.retryAfter > 0 {
			return err
		}
		return s.showLogin(w, p.Status, next, p)
	}
	secret, err := s.access.keys.open()
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, secret, int(sessionLasts.Seconds())))
	http.Redirect(w, r, local(next), http.StatusSeeOther)
	return nil
}

func (s *Server) cookie(r *http.Request, secret string, lasts int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: secret, Path: "/", MaxAge: lasts,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// local is where to go after logging in: never to another site.
func local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsFunc(next, func(c rune) bool {
		return c == '\\' || c <= ' ' || c == 0x7f
	}) {
		return "/"
	}
	return next
}

func (s *Server) showLogin(w http.ResponseWriter, status int, next string, refused *problem) error {
	page := s.newPage()
	page.Next = local(next)
	if refused != nil {
		page.Problem = refused.Detail
	}
	return s.pages.show(w, status, "login.html", page)
}

// logout answers POST /logout.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if s.access.keys == nil {
		return refuse(http.StatusNotFound, "no_login", "no token is needed here")
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if err := s.access.keys.close(cookie.Value); err != nil {
			return err
		}
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}
