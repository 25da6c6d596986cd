package search

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shoebox/search/query"
)

// serve makes an index that this process holds and serves.
func serve(t *testing.T, feed Feed) (ix *Index, s *remote, end func()) {
	t.Helper()
	ix = projected(t, feed)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- ix.Serve(ctx, feed) }()
	end = func() {
		t.Helper()
		stop()
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("Serve() = %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Serve does not end")
		}
		served <- nil
	}
	t.Cleanup(stop)
	s = openRemote(t, ix.dir)
	t.Cleanup(func() { _ = s.Close() })
	return ix, s, end
}

func TestTheSocketAnswersLikeTheIndex(t *testing.T) {
	feed := libraryFeed(t)
	feed.put(photo("bytes", "A bird."), "/a\xff", "/b\xfe")
	ix, s, end := serve(t, feed)
	expect(t, s, feed)
	for _, text := range []string{"dog", `"in the snow" -cat`, "camera:canon taken:2019..", "bird", "unicorn"} {
		here, there := find(t, ix, text, 10), find(t, s, text, 10)
		if !equalResults(here, there) {
			t.Errorf("%s: the index finds\n%+v, the socket\n%+v", text, here, there)
		}
	}
	if _, err := s.Search(t.Context(), Request{Query: query.Query{Root: query.Word{Text: "…"}}, Limit: 1}); err == nil {
		t.Error("a query without terms finds something")
	}
	if got := find(t, s, "dog", 1).Total; got != 8 {
		t.Errorf("after an error %d photos are found, want 8", got)
	}
	end()
	if _, err := os.Stat(lockedSocket(t, ix.dir)); err == nil {
		t.Error("the socket's path is still in the lock file")
	}
}

func equalResults(a, b Result) bool {
	if a.Total != b.Total || len(a.Hits) != len(b.Hits) {
		return false
	}
	for i := range a.Hits {
		x, errX := a.Hits[i].MarshalJSON()
		y, errY := b.Hits[i].MarshalJSON()
		if errX != nil || errY != nil || string(x) != string(y) || a.Hits[i].Relevance != b.Hits[i].Relevance ||
			len(a.Hits[i].Marks) != len(b.Hits[i].Marks) || a.Hits[i].Paths[0] != b.Hits[i].Paths[0] {
			return false
		}
	}
	return true
}

// lockedSocket is the path in the lock file.
func lockedSocket(t *testing.T, dir string) string {
	t.Helper()
	path, err := os.ReadFile(lockPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	return string(path)
}

func TestWhenTheHolderHasLeftTheNextSearchReadsTheIndex(t *testing.T) {
	feed := libraryFeed(t)
	ix, s, end := serve(t, feed)
	end()
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, s, feed)
}

func TestErrorsKeepTheirKindOverTheSocket(t *testing.T) {
	ix, s, end := serve(t, libraryFeed(t))
	defer end()
	ix.mu.Lock()
	live := ix.live
	ix.live = nil
	ix.mu.Unlock()
	defer func() {
		ix.mu.Lock()
		ix.live = live
		ix.mu.Unlock()
	}()
	if _, err := s.Search(t.Context(), Request{Query: query.Query{Root: query.Word{Text: "dog"}}, Limit: 1}); !errors.Is(err, ErrBuilding) {
		t.Errorf("Search() = %v, want ErrBuilding", err)
	}
	if _, err := s.client.call(t.Context(), request{Op: "sing"}); err == nil || !strings.Contains(err.Error(), `"sing"`) {
		t.Errorf("a request that is unknown: %v", err)
	}
	if _, err := s.client.call(t.Context(), request{Op: "search", Query: `"`}); err == nil || !strings.Contains(err.Error(), "missing closing quote at 1") {
		t.Errorf("a query that cannot be read: %v", err)
	}
}

func TestCatchUpHasTheHolderProject(t *testing.T) {
	feed := newFakeFeed()
	ix, _, end := serve(t, feed)
	defer end()
	numbered(feed, 0, 1500)
	feed.before = func() error { // longer than the holder is silent
		time.Sleep(stillWorking * 5 / 4)
		return nil
	}
	n, err := CatchUp(t.Context(), ix.dir, nil)
	if n != 1500 || err != nil {
		t.Errorf("CatchUp() = %d, %v; want 1500", n, err)
	}
	expect(t, ix, feed)
}

func TestCatchUpTellsWhatStopsTheHolder(t *testing.T) {
	feed := newFakeFeed()
	ix, _, end := serve(t, feed)
	defer end()
	feed.before = func() error { return errors.New("connection lost") }
	if n, err := CatchUp(t.Context(), ix.dir, nil); err == nil || err.Error() != "connection lost" {
		t.Errorf("CatchUp() = %d, %v", n, err)
	}
}

func TestCatchUpTakesOverWhenTheHolderLeaves(t *testing.T) {
	feed := newFakeFeed()
	ix, _, end := serve(t, feed)
	numbered(feed, 0, 2500)
	asked := make(chan struct{}, 10)
	feed.before = func() error {
		asked <- struct{}{}
		time.Sleep(100 * time.Millisecond)
		return nil
	}
	caughtUp := make(chan error, 1)
	go func() {
		_, err := CatchUp(context.Background(), ix.dir, feed)
		caughtUp <- err
	}()
	<-asked
	end()
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-caughtUp; err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), ix.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	expect(t, s, feed)
}

func TestOnlyOneCatchUpAtATimeProjects(t *testing.T) {
	feed, dir := newFakeFeed(), t.TempDir()
	numbered(feed, 0, 1500)
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() {
			_, err := CatchUp(context.Background(), dir, feed)
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	expect(t, s, feed)
}

func TestTheSocketLiesInAFolderOfItsOwner(t *testing.T) {
	runtime := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	deep := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	path, err := socketPath(deep)
	if err != nil {
		t.Fatal(err)
	}
	if len(runtime) < 60 && !strings.HasPrefix(path, runtime) {
		t.Errorf("the socket is %s, not in %s", path, runtime)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(filepath.Dir(path), 0o700) }()
	if elsewhere, err := socketPath(deep); err == nil && filepath.Dir(elsewhere) == filepath.Dir(path) {
		t.Errorf("the socket is %s, in a folder open to everybody", elsewhere)
	}
	if err := checkPrivate(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("checkPrivate() = %v", err)
	}
}
