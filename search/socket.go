package search

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"shoebox/search/query"
)

// The protocol: the server says hello; then, as often as the client likes, a
// request is answered by a response, JSON both. While the holder works on the
// index, a response that says Working comes every second.
type (
	hello struct {
		Protocol int `json:"protocol"`
		PID      int `json:"pid"`
	}
	request struct {
		Op string `json:"op"` // "search", "info", "documents", "project", "rebuild" or "remove"
		// Of a search (Request), and the first two of documents.
		Limit    int    `json:"limit,omitempty"`
		After    string `json:"after,omitempty"`
		Query    string `json:"query,omitempty"`
		Similar  bool   `json:"similar,omitempty"`
		TextOnly bool   `json:"text_only,omitempty"`
		Facets   bool   `json:"facets,omitempty"`

		Photos []string `json:"photos,omitempty"`
	}
	response struct {
		Working   bool       `json:"working,omitempty"`
		Built     int64      `json:"built,omitempty"` // so far, while an index is built
		Error     *wireError `json:"error,omitempty"`
		Result    *Result    `json:"result,omitempty"`
		Documents []Hit      `json:"documents,omitempty"`
		Info      *Info      `json:"info,omitempty"`
		Projected int        `json:"projected,omitempty"`
	}
	wireError struct {
		Kind string `json:"kind,omitempty"` // wireUseError or one of wireErrors
		Text string `json:"text"`
	}
)

const protocol = 2

// wireErrors are the errors that clients tell apart.
var wireErrors = map[string]error{
	"damaged": ErrDamaged, "outdated": ErrOutdated, "building": ErrBuilding, "locked": ErrLocked,
}

// wireUseError is the kind of a UseError.
const wireUseError = "use"

// stillWorking is how often a client hears that its projection goes on.
const stillWorking = time.Second

// Serve answers the searches of other processes, and projects from feed when
// one asks for it, until ctx ends. The socket lies in a folder of its own with
// a short name, because a socket's path has 108 bytes.
func (ix *Index) Serve(ctx context.Context, feed Feed) error {
	path, err := socketPath(ix.dir)
	if err != nil {
		return err
	}
	// Only who holds the index listens: a socket that is there was left by a
	// process that was killed.
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("the socket for searches: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	if err := ix.announce(path); err != nil {
		return errors.Join(err, listener.Close())
	}
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			clients.Go(func() { ix.answer(ctx, conn, feed) })
		case ctx.Err() != nil:
			return ix.announce("")
		case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ECONNABORTED):
			// The files that are open now will be closed.
			if pause(ctx, retryEvery) != nil {
				return ix.announce("")
			}
		default:
			return errors.Join(fmt.Errorf("the socket for searches: %w", err), ix.announce(""))
		}
	}
}

// announce writes where the socket is into the lock file, so that it is found
// from every environment.
func (ix *Index) announce(path string) error {
	if err := ix.lock.Truncate(0); err != nil {
		return err
	}
	_, err := ix.lock.WriteAt([]byte(path), 0)
	return err
}

// socketPath makes the folder of the socket for an index and names the socket.
func socketPath(dir string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(absolute); err == nil {
		absolute = resolved
	}
	name := fmt.Sprintf("search-%x.sock", sha256.Sum256([]byte(absolute)))[:len("search-")+16] + ".sock"
	const most = 107 // bytes of a path, by sockaddr_un
	for _, base := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/tmp"} {
		folder := filepath.Join(base, "shoebox-"+strconv.Itoa(os.Getuid()))
		path := filepath.Join(folder, name)
		if !filepath.IsAbs(base) || len(path) > most {
			continue
		}
		if err = os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			continue
		}
		if err = checkPrivate(folder); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no folder for the socket of searches: %w", err)
}

// checkPrivate makes sure that only its owner, us or root, gets into a folder:
// anybody can make one in /tmp.
func checkPrivate(folder string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(folder, &stat); err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s is not a folder", folder)
	case stat.Uid != 0 && int(stat.Uid) != os.Getuid():
		return fmt.Errorf("%s belongs to another user", folder)
	case stat.Mode&0o077 != 0:
		return fmt.Errorf("%s is open to other users: chmod 700 it", folder)
	default:
		return nil
	}
}

// answer serves one client.
func (ix *Index) answer(ctx context.Context, conn net.Conn, feed Feed) {
	defer func() { _ = conn.Close() }()
	// The end of ctx wakes a client that waits for its next request, and lets
	// the response to the last one out.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	send := json.NewEncoder(conn)
	_ = conn.SetWriteDeadline(time.Now().Add(silence))
	if send.Encode(hello{Protocol: protocol, PID: os.Getpid()}) != nil {
		return
	}
	for requests := json.NewDecoder(conn); ; {
		var r request
		if requests.Decode(&r) != nil {
			return
		}
		var reply response
		_, _ = whileTelling(func() {
			_ = conn.SetWriteDeadline(time.Now().Add(silence))
			_ = send.Encode(response{Working: true, Built: ix.built.Load()})
		}, func() (int, error) {
			reply = ix.respond(ctx, r, feed)
			return 0, nil
		})
		if (r.Op == "project" || r.Op == "rebuild") && ctx.Err() != nil {
			return // half done: the client takes over
		}
		_ = conn.SetWriteDeadline(time.Now().Add(silence))
		if err := send.Encode(reply); err != nil {
			slog.Debug("a client of search has gone", "cause", err)
			return
		}
	}
}

func (ix *Index) respond(ctx context.Context, r request, feed Feed) response {
	// What was asked for before ctx ended is answered.
	searching := context.WithoutCancel(ctx)
	switch r.Op {
	case "search":
		result, err := ix.answerSearch(searching, r)
		if err != nil {
			return failure(err)
		}
		return response{Result: &result}
	case "info":
		info, err := ix.Info(searching)
		if err != nil {
			return failure(err)
		}
		return response{Info: &info}
	case "documents":
		hits, err := ix.Documents(searching, r.After, r.Limit)
		if err != nil {
			return failure(err)
		}
		return response{Documents: hits}
	case "project":
		return projectedReply(ix.Project(ctx, feed))
	case "rebuild":
		return projectedReply(ix.Rebuild(ctx, feed))
	case "remove":
		return projectedReply(0, ix.Remove(ctx, r.Photos))
	default:
		return failure(fmt.Errorf("this version of shoebox cannot %q", r.Op))
	}
}

// answerSearch searches for what a client asks.
func (ix *Index) answerSearch(ctx context.Context, r request) (Result, error) {
	q, err := query.Parse(r.Query)
	if err != nil {
		return Result{}, err
	}
	return ix.Search(ctx, Request{Query: q, Similar: r.Similar, TextOnly: r.TextOnly, Limit: r.Limit, After: r.After, Facets: r.Facets})
}

func projectedReply(n int, err error) response {
	if err != nil {
		return failure(err)
	}
	return response{Projected: n}
}

func failure(err error) response {
	e := &wireError{Text: err.Error()}
	var use *UseError
	if errors.As(err, &use) {
		e.Kind = wireUseError
	}
	for kind, sentinel := range wireErrors {
		if errors.Is(err, sentinel) {
			e.Kind = kind
		}
	}
	return response{Error: e}
}
