package web_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"shoebox/search"
	"shoebox/search/web"
	"shoebox/search/web/browsertest"
)

func picturesAreCaptioned(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t)
	tab := browser.Tab(t, s.url+"/caption")
	tab.Do(`const bytes = await (await fetch('/photos/` + s.ids["china.jpg"].String() + `/original')).blob();
		const dropped = new DataTransfer();
		dropped.items.add(new File([bytes], 'dropped.jpg', { type: 'image/jpeg' }));
		document.querySelector('#drop').dispatchEvent(new DragEvent('drop', { dataTransfer: dropped, bubbles: true, cancelable: true }))`)
	tab.Shows("#captioned", "A dog in the snow.")
	tab.Shows("#captioned", "dropped.jpg")
	tab.Shows("#captioned .looks", "dog 91 %")
	tab.Shows("#captioned .others", "A dog.-3.0")
	wordsShowLooks(tab)
	tab.Choose("#files", filepath.Join(s.photos, "coffee.png"), filepath.Join(s.photos, "broken.jpg"))
	tab.Shows("#done", "1 picture captioned")
	tab.Shows("#captioned .bad", "No caption: the file is not a picture")
	if n := s.search("q=").Total; n != uint64(len(captions)) {
		t.Errorf("%d photos are in the library then", n)
	}
}

// wordsShowLooks checks that words show where the model looked, by pointer and
// by keys: the dog is at the top left, the snow at the bottom.
func wordsShowLooks(tab *browsertest.Tab) {
	// How bright a quarter of the map is.
	const quarter = `((x, y) => { const map = document.querySelector('.frame canvas');
		const [red, green] = map.getContext('2d').getImageData(x * map.width, y * map.height, 1, 1).data; return red + green; })`
	tab.Wait("no look should be shown yet", `document.querySelector('.frame canvas').hidden`)
	tab.Do(`[...document.querySelectorAll('.word')].find((word) => word.textContent === 'dog').focus()`)
	tab.Wait("the dog should be at the top left", `!document.querySelector('.frame canvas').hidden &&
		`+quarter+`(.25, .25) > `+quarter+`(.75, .25) + 100 && `+quarter+`(.25, .25) > `+quarter+`(.25, .75) + 100`)
	tab.Wait("the map should lie on the picture", `(() => { const [map, image] = ['canvas', 'img'].map((tag) => document.querySelector('.frame ' + tag).getBoundingClientRect());
		return map.width > 100 && Math.abs(map.width / map.height - 640 / 427) < .02 && Math.abs(map.top - image.top) < 1 && map.bottom < image.bottom + 1; })()`)
	tab.Type(kb.ArrowLeft + kb.ArrowLeft)
	tab.Wait("the last word should have the focus", `document.activeElement.textContent === 'snow'`)
	tab.Wait("the snow should be at the bottom", quarter+`(.75, .75) > `+quarter+`(.75, .25) + 100`)
	tab.Wait("it should be said in words", `document.activeElement.getAttribute('aria-description') === 'looked mostly at the bottom right'`)
	tab.Type(" ")
	tab.Do(`document.activeElement.blur()`)
	tab.Wait("a look that was pressed should stay", `!document.querySelector('.frame canvas').hidden`)
	tab.Click(".word[aria-pressed=true]")
	tab.Do(`document.activeElement.blur()`)
	tab.Do(`document.querySelector('.word[tabindex="0"]').dispatchEvent(new PointerEvent('pointerleave'))`)
	tab.Wait("and leave when it is pressed again", `document.querySelector('.frame canvas').hidden`)
}

// work is a status as `shoebox status --json` has it, with a worker.
func work(pending, done int) map[string]any {
	folder := map[string]any{
		"path": "/photos", "present": true, "watch": "polled", "watch_reason": "it is on a network", "pending": pending,
		"leased": 0, "done": done, "failed": 0, "unsupported": 0, "missing": 0, "retrying": 0,
	}
	return map[string]any{
		"folders": []any{folder}, "files": folder, "photos": done, "unsure": 1, "edited": 2, "older": 3, "failures": []any{},
		"models":  []any{map[string]any{"hash": testModel, "name": "test", "first_seen": "2026-01-02T03:04:05Z", "captions": done}},
		"workers": []any{map[string]any{"machine": "attic", "pid": 7, "leases": 16, "per_second": 12.5}}, "per_second": 12.5,
		"seconds_left": 120, "index": map[string]any{"photos": done, "behind": false}, "read_only": false,
	}
}

func progressIsShown(t *testing.T, browser *browsertest.Browser) {
	var now atomic.Value
	now.Store(work(90, 10))
	s := newSite(t, func(c *web.Config) {
		c.Status = func(context.Context) (any, error) { return now.Load(), nil }
	})
	tab := browser.Tab(t, s.url+"/library")
	tab.Shows("#now", "90 of 100 files to go, 12.5 photos a second, about 2 min left")
	tab.Shows("#work", "Worker 7 on attic: 16 files in hand")
	tab.Shows("#folders", "looked at now and then")
	tab.Shows("#folders", "it is on a network")
	tab.Shows("#recaption", "3 older captions")
	now.Store(work(20, 80))
	tab.Shows("#now", "20 of 100 files to go")
	tab.Wait("the bar should follow", `document.querySelector('#progress').value === 80`)
	paused := work(20, 80)
	paused["paused_since"] = time.Now().Format(time.RFC3339)
	now.Store(paused)
	tab.Shows("#now", "20 files wait until you resume")
	tab.Shows("#pause", "Resume")
	tab.Go("/")
	tab.Shows("#notices", "20 photos wait for a caption: the work is paused.")
	now.Store(work(20, 80))
	tab.Shows("#notices", "Captioning: 20 to go")
}

func workIsPaused(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t)
	tab := browser.Tab(t, s.url+"/library")
	tab.Click("#pause")
	tab.Shows("#now", "nothing new is taken up")
	tab.Shows("#pause", "Resume")
	if since, err := s.store.Paused(t.Context()); err != nil || since.IsZero() {
		t.Errorf("it is paused since %s: %v", since, err)
	}
	tab.Click("#pause:not(:disabled)")
	tab.Shows("#now", "Up to date")
	if since, err := s.store.Paused(t.Context()); err != nil || !since.IsZero() {
		t.Errorf("it is paused since %s: %v", since, err)
	}
}

func failuresAreRetried(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t)
	tab := browser.Tab(t, s.url+"/library")
	tab.Shows("#failures", "broken.jpg")
	tab.Shows("#failures", "not a picture")
	tab.Click(`#failures button[aria-label="Retry broken.jpg"]`)
	tab.Shows("#failures-result", "1 file queued again.")
	tab.Shows("#failures", "None.")
	tab.Shows("#now", "1 file waits and nothing works on them")
	counts, err := s.store.CountFiles(t.Context(), nil)
	if err != nil || counts.Pending != 1 || counts.Failed != 0 {
		t.Errorf("in the database are %+v, %v", counts, err)
	}
}

func loginIsAsked(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t, func(c *web.Config) { c.Hosts = []string{"photos.example"} })
	tab := browser.Tab(t, s.url+"/library")
	tab.Wait("the way in should be shown", `location.pathname === '/login' && document.activeElement.id === 'token'`)
	tab.Type("wrong" + kb.Enter)
	tab.Shows("[role=alert]", "the token is wrong")
	tab.Wait("the field should have the focus again", `document.activeElement.id === 'token'`)
	tab.Type(s.server.NewToken() + kb.Enter)
	tab.Wait("it should lead on", `location.pathname === '/library'`)
	tab.Shows("#figures", "photos captioned")
	tab.Click("header form button")
	tab.Wait("logging out should lead back", `location.pathname === '/login'`)
}

func readOnlyOffersNothing(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t, func(c *web.Config) { c.ReadOnly = true })
	tab := browser.Tab(t, s.url+"/photo/"+s.ids["china.jpg"].String()+"?q=temple")
	tab.Shows("#facts", "china.jpg")
	tab.Wait("no change should be offered", `document.querySelector('#edit').hidden && document.querySelector('#undo').hidden &&
		!document.querySelector('#others button') && document.querySelector('#album-save').hidden`)
	tab.Go("/library")
	tab.Shows("#failures", "broken.jpg")
	tab.Wait("nor there", `document.querySelector('#retry-all').hidden && document.querySelector('#pause').hidden && !document.querySelector('#failures button')`)
}

func problemsAreSaid(t *testing.T, browser *browsertest.Browser) {
	for _, c := range []struct {
		name, says string
		change     func(map[string]any)
	}{
		{"nobody works", "90 photos wait for a caption and nothing works on them. Start shoebox watch", func(s map[string]any) { s["workers"] = []any{} }},
		{"search is behind", "4 photos cannot be found yet. It waits for pg_dump.", func(s map[string]any) {
			s["index"] = map[string]any{"photos": 6, "behind": true, "held_back_by": []string{"pg_dump"}}
		}},
		{"no database", "The database does not answer", func(s map[string]any) { s["database_problem"] = "it is away" }},
	} {
		status := work(90, 10)
		c.change(status)
		s := newSite(t, func(w *web.Config) { w.Status = func(context.Context) (any, error) { return status, nil } })
		browser.Tab(t, s.url).Shows("#notices", c.says)
	}
}

// noIndex has none yet.
type noIndex struct{ index }

func (noIndex) Search(context.Context, search.Request) (search.Result, error) {
	return search.Result{}, search.ErrNoIndex
}

func emptyLibrariesSayHow(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t, func(c *web.Config) { c.Index = noIndex{c.Index.(index)} })
	tab := browser.Tab(t, s.url)
	tab.Shows("#empty", "shoebox index ~/Pictures")
	building := newSite(t, func(c *web.Config) { c.Index = buildingIndex{c.Index.(index)} })
	tab = browser.Tab(t, building.url)
	tab.Shows("#notices", "The search index is being built again: 1,234 photos so far")
}

// buildingIndex is being built.
type buildingIndex struct{ index }

func (buildingIndex) Search(context.Context, search.Request) (search.Result, error) {
	return search.Result{Building: &search.Building{Photos: 1234}}, nil
}

func withoutDatabase(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t)
	s.store.away.Store(true)
	tab := browser.Tab(t, s.url+"/photo/"+s.ids["china.jpg"].String()+"?q=temple")
	tab.Shows("#caption", captions["china.jpg"])
	tab.Wait("it cannot be edited", `document.querySelector('#edit').hidden`)
	if !strings.Contains(text(tab, `document.querySelector('#facts').textContent`), "china.jpg") {
		t.Error("what search knows of the file is missing")
	}
}
