package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Open opens the index in dir for searching: through the process that holds
// it, or read-only when there is none. It tries both for two seconds, then
// ErrLocked says who is in the way. ErrNoIndex: nothing was indexed yet.
func Open(ctx context.Context, dir string) (Searcher, error) {
	for deadline := time.Now().Add(patience); ; {
		c, dialErr := dial(ctx, dir, deadline)
		if dialErr == nil {
			return &remote{dir: dir, client: c}, nil
		}
		r, err := openReader(dir)
		if !errors.Is(err, ErrLocked) {
			if err != nil {
				return nil, err
			}
			return r, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w (%w)", err, dialErr)
		}
		if err := pause(ctx, retryEvery); err != nil {
			return nil, err
		}
	}
}

// reader is an index that no process holds, opened read-only.
type reader struct {
	mu   sync.RWMutex // shared while the generation is used
	dir  string
	lock *os.File // shared: no process can take hold of the index meanwhile
	g    *generation
}

func openReader(dir string) (*reader, error) {
	lock, err := tryLock(dir, unix.LOCK_SH)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = currentGeneration(dir)
		if err == nil {
			err = damaged(dir, "the file lock is missing")
		}
	}
	if err != nil {
		return nil, err
	}
	path, err := currentGeneration(dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	g, err := openGeneration(path, true)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &reader{dir: dir, lock: lock, g: g}, nil
}

func (r *reader) Search(ctx context.Context, request Request) (Result, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return searchOrMark(ctx, r.dir, r.g, request)
}

func (r *reader) Info(context.Context) (Info, error) { return r.g.info() }

func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.g.close(), r.lock.Close())
}

// remote is an index that another process holds. When that one leaves between
// two questions, the next is answered by whatever Open finds then.
type remote struct {
	dir    string
	client *client

	mu    sync.Mutex
	other Searcher // nil while the client is good
}

func (r *remote) Search(ctx context.Context, search Request) (result Result, err error) {
	question := request{Op: "search", Query: search.Query.String(), Similar: search.Similar, TextOnly: search.TextOnly,
		Limit: search.Limit, After: search.After, Facets: search.Facets}
	err = r.ask(ctx, question, func(reply response) {
		if reply.Result != nil {
			result = *reply.Result
		}
	}, func(s Searcher) error {
		result, err = s.Search(ctx, search)
		return err
	})
	return result, err
}

func (r *remote) Info(ctx context.Context) (info Info, err error) {
	err = r.ask(ctx, request{Op: "info"}, func(reply response) {
		if reply.Info != nil {
			info = *reply.Info
		}
	}, func(s Searcher) error {
		info, err = s.Info(ctx)
		return err
	})
	return info, err
}

// ask has a question answered by the client or, once that has gone, directly.
func (r *remote) ask(ctx context.Context, question request, use func(response), direct func(Searcher) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.other == nil {
		reply, err := r.client.call(ctx, question)
		if err == nil {
			use(reply)
			return nil
		}
		if !errors.Is(err, errGone) {
			return err
		}
		if r.other, err = Open(ctx, r.dir); err != nil {
			r.other = nil
			return err
		}
	}
	return direct(r.other)
}

func (r *remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.other != nil {
		return r.other.Close()
	}
	return r.client.conn.Close()
}

// silence is how long one side of the socket waits for the other.
const silence = 10 * time.Second

// errGone means that nobody answers at the socket (any more).
var errGone = errors.New("the process that holds the search index does not answer")

// client is a connection to the process that holds an index.
type client struct {
	conn     net.Conn
	replies  *json.Decoder
	progress func(built int64) // told while an answer is worked on; may be nil
}

// dial connects to the holder, which has to say hello before the deadline.
func dial(ctx context.Context, dir string, deadline time.Time) (*client, error) {
	path, err := os.ReadFile(lockPath(dir))
	if err != nil || len(path) == 0 {
		return nil, errGone
	}
	if err := checkPrivate(filepath.Dir(string(path))); err != nil {
		return nil, fmt.Errorf("%w: %w", errGone, err)
	}
	conn, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, "unix", string(path))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGone, err)
	}
	c := &client{conn: conn, replies: json.NewDecoder(conn)}
	var h hello
	if err = conn.SetReadDeadline(deadline); err == nil {
		err = c.replies.Decode(&h)
	}
	if err == nil && h.Protocol != protocol {
		err = fmt.Errorf("process %d is another version of shoebox", h.PID)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errGone, err), conn.Close())
	}
	return c, nil
}

// call asks and waits for the answer, however long it is worked on.
func (c *client) call(ctx context.Context, question request) (response, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Now()) })
	defer stop()
	// A response may have been read by half: the connection is of no more use.
	gone := func(err error) error {
		_ = c.conn.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", errGone, err)
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(silence))
	if err := json.NewEncoder(c.conn).Encode(question); err != nil {
		return response{}, gone(err)
	}
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(silence))
		if err := ctx.Err(); err != nil {
			return response{}, gone(err) // the deadline that woke us has just been moved
		}
		var reply response
		if err := c.replies.Decode(&reply); err != nil {
			return response{}, gone(err)
		}
		switch {
		case reply.Error != nil && reply.Error.Kind == wireUseError:
			return response{}, &UseError{reply.Error.Text}
		case reply.Error != nil:
			return response{}, &remoteError{text: reply.Error.Text, is: wireErrors[reply.Error.Kind]}
		case !reply.Working:
			return reply, nil
		case c.progress != nil:
			c.progress(reply.Built)
		}
	}
}

// remoteError is an error that the holder of the index had.
type remoteError struct {
	text string
	is   error // one of wireErrors, or nil
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.is }

// askHolder has the holder of an index do something that takes time.
func askHolder(ctx context.Context, dir string, question request, progress func(int64)) (n int, err error) {
	c, err := dial(ctx, dir, time.Now().Add(patience))
	if err != nil {
		return 0, err
	}
	c.progress = progress
	reply, err := c.call(ctx, question)
	return reply.Projected, errors.Join(err, c.conn.Close())
}
