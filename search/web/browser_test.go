package web_test

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"shoebox/search"
	"shoebox/search/web"
	"shoebox/search/web/browsertest"
)

// text is the value of an expression.
func text(b *browsertest.Tab, expression string) string {
	return browsertest.Eval[string](b, expression)
}

func TestPagesInABrowser(t *testing.T) {
	browser := browsertest.Open(t)
	for name, test := range map[string]func(*testing.T, *browsertest.Browser){
		"the query's text is taken apart and put together":     queriesAreTakenApart,
		"what is typed is found, and its words are marked":     typedWordsAreFound,
		"an answer that is too late is dropped":                lateAnswersAreDropped,
		"the address holds the query, so that Back works":      backWorks,
		"a query that cannot be read has its place marked":     badQueriesAreMarked,
		"where nothing is found something near is offered":     nearQueriesAreOffered,
		"a filter is followed, shown and taken away":           filtersNarrowDown,
		"an album keeps a query":                               albumsKeepQueries,
		"a photo opens over the grid and keys lead on":         photosOpen,
		"a photo has an address of its own":                    photosHaveAddresses,
		"a caption is edited, found by its words, and undone":  captionsAreEdited,
		"names and captions are text and never HTML":           captionsAreText,
		"thousands of photos scroll with few of them in it":    thousandsScroll,
		"a dropped and a chosen picture get captions":          picturesAreCaptioned,
		"progress is shown as it comes":                        progressIsShown,
		"the work is paused and goes on":                       workIsPaused,
		"failures are listed and queued again":                 failuresAreRetried,
		"a page to log in stands before everything":            loginIsAsked,
		"a library that is only shown offers no change":        readOnlyOffersNothing,
		"a library with problems says which, and what to do":   problemsAreSaid,
		"an empty library says how to begin":                   emptyLibrariesSayHow,
		"without the database what search knows can be looked": withoutDatabase,
	} {
		t.Run(name, func(t *testing.T) { test(t, browser) })
	}
}

func queriesAreTakenApart(t *testing.T, browser *browsertest.Browser) {
	tab := browser.Tab(t, newSite(t).url)
	for _, c := range []struct{ expression, want string }{
		{`q.withFilter('two dogs', 'taken:2019')`, `two dogs taken:2019`},
		{`q.withFilter('dog taken:2018 sort:date', 'taken:2019-05')`, `dog taken:2019-05 sort:date`},
		{`q.withFilter('dog OR cat sort:name', 'by:me')`, `(dog OR cat) by:me sort:name`},
		{`q.withFilter('dog by:me', 'by:me')`, `dog by:me`},
		{`q.without('dog folder:"a b" -cat', 'folder:"a b"')`, `dog -cat`},
		{`q.filters('dog taken:2019 -cat (by:me x) folder:"a b" sort:date @best "a:b"').join('|')`, `taken:2019|-cat|folder:"a b"|@best`},
		{`q.filters('dog OR taken:2019').join('|')`, ``},
		{`q.order('')`, `date`},
		{`q.order('dog')`, `relevance`},
		{`q.order('dog SORT:oldest')`, `oldest`},
		{`q.ordered('dog sort:date', 'relevance')`, `dog`},
		{`q.ordered('dog', 'name')`, `dog sort:name`},
		{`q.ordered('', 'date')`, ``},
		{`q.named('camera', 'Canon "5D"')`, `camera:"Canon  5D "`},
		{`q.address({ q: ' a&b ', similar: true })`, `/?q=a%26b&similar=1`},
		{`text.marked('é dogs!', [{ start: 3, end: 7 }]).map((part) => part.outerHTML ?? part).join('')`, `é <mark>dogs</mark>!`},
		{`text.exposure({ exposure_time: 0.008, f_number: 2.8, iso: 400, focal_length: 35 })`, `1/125 s, f/2.8, ISO 400, 35 mm`},
		{`text.taken('2019-05-04T14:03:09-00:00')`, `Saturday, 4 May 2019, 14:03`},
		{`text.taken('2019-05-04T23:03:09+09:00')`, `Saturday, 4 May 2019, 23:03 (UTC+09:00)`},
	} {
		got := text(tab, `Promise.all([import('/static/query.js'), import('/static/text.js')]).then(([q, text]) => `+c.expression+`)`)
		if got != c.want {
			t.Errorf("%s is %q, want %q", c.expression, got, c.want)
		}
	}
}

func typedWordsAreFound(t *testing.T, browser *browsertest.Browser) {
	tab := browser.Tab(t, newSite(t).url)
	tab.Shows("#total", "5 photos")
	tab.Type("woman uniform")
	tab.Shows("#total", "1 photo")
	if marks := text(tab, `[...document.querySelectorAll('#grid mark')].map((mark) => mark.textContent).join()`); marks != "woman,uniform" {
		t.Errorf("marked are %q", marks)
	}
	if alt := text(tab, `document.querySelector('#grid img').alt`); alt != captions["grace_hopper.jpg"] {
		t.Errorf("the picture's alternative text is %q", alt)
	}
	tab.Wait("the picture should load", `document.querySelector('#grid img.loaded')`)
}

// slowIndex never answers when it is asked for what is slow.
type slowIndex struct {
	index
	asked   chan struct{} // such a request has come
	dropped chan struct{} // and was given up
}

func (s slowIndex) Search(ctx context.Context, r search.Request) (search.Result, error) {
	if r.Query.String() == "slow" {
		s.asked <- struct{}{}
		<-ctx.Done()
		s.dropped <- struct{}{}
		return search.Result{}, ctx.Err()
	}
	return s.index.Search(ctx, r)
}

func comes(t *testing.T, event <-chan struct{}, otherwise string) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(30 * time.Second):
		t.Fatal(otherwise)
	}
}

func lateAnswersAreDropped(t *testing.T, browser *browsertest.Browser) {
	slow := slowIndex{asked: make(chan struct{}, 1), dropped: make(chan struct{}, 1)}
	s := newSite(t, func(c *web.Config) { slow.index, c.Index = c.Index.(index), &slow })
	tab := browser.Tab(t, s.url)
	tab.Shows("#total", "5 photos")
	tab.Type("slow")
	comes(t, slow.asked, "what was typed is not searched")
	tab.Do(`document.querySelector('#q').select()`)
	tab.Type("temple")
	tab.Shows("#total", "1 photo")
	comes(t, slow.dropped, "what was searched before goes on")
	tab.Wait("nothing should be said of what was dropped", `document.querySelector('#problem').hidden`)
}

func backWorks(t *testing.T, browser *browsertest.Browser) {
	tab := browser.Tab(t, newSite(t).url+"/?q=temple")
	tab.Shows("#total", "1 photo")
	tab.Do(`document.querySelector('#q').select()`)
	tab.Type("woman")
	tab.Shows("#total", "2 photos")
	tab.Wait("the address should follow", `location.search === '?q=woman'`)
	tab.Back()
	tab.Shows("#total", "1 photo")
	if q := text(tab, `document.querySelector('#q').value`); q != "temple" {
		t.Errorf("Back shows the query %q", q)
	}
}

func badQueriesAreMarked(t *testing.T, browser *browsertest.Browser) {
	tab := browser.Tab(t, newSite(t).url+"/?q="+url.QueryEscape("wömän taken:may"))
	tab.Shows("#problem", "is not a date")
	if marked := text(tab, `document.querySelector('.here').textContent + document.querySelector('.here').nextSibling.textContent`); marked != "may" {
		t.Errorf("the place that is marked begins %q", marked)
	}
	tab.Wait("no photo should stay", `!document.querySelector('#grid .row')`)
}

func nearQueriesAreOffered(t *testing.T, browser *browsertest.Browser) {
	tab := browser.Tab(t, newSite(t).url+"/?q=tample")
	tab.Shows("#empty", "Did you mean temple?")
	tab.Click(".offers a")
	tab.Shows("#total", "1 photo")
	tab.Wait("the offer should go", `document.querySelector('#empty').hidden`)
}

func filtersNarrowDown(t *testing.T, browser *browsertest.Browser) {
	asked := &manyIndex{total: 10}
	s := newSite(t, func(c *web.Config) { asked.index, c.Index = c.Index.(index), asked })
	asked.of(s)
	tab := browser.Tab(t, s.url+"/?q=temple")
	tab.Shows("#filters", "2019")
	tab.Click(`#filters a[href*="2019"]`)
	tab.Shows("#chips", "taken:2019")
	tab.Wait("the address should hold it", `new URLSearchParams(location.search).get('q') === 'temple taken:2019'`)
	tab.Do(`const sort = document.querySelector('#sort'); sort.value = 'name'; sort.dispatchEvent(new Event('change'))`)
	tab.Wait("the order should be in the query", `document.querySelector('#q').value === 'temple taken:2019 sort:name'`)
	tab.Click("#chips a")
	tab.Wait("the filter should be gone", `document.querySelector('#q').value === 'temple sort:name' && !document.querySelector('#chips li')`)
	tab.Go("/?q=sort:date")
	tab.Wait("years should stand apart", `[...document.querySelectorAll('#grid h2')].map((label) => label.textContent).join() === '2019,2018'`)
}

func albumsKeepQueries(t *testing.T, browser *browsertest.Browser) {
	tab := browser.Tab(t, newSite(t).url+"/?q=woman")
	tab.Shows("#total", "2 photos")
	tab.Click("#album-save")
	tab.Type("women" + kb.Enter)
	tab.Shows("#filters .albums", "women")
	tab.Go("/")
	tab.Shows("#filters .albums", "women")
	tab.Click("#filters .albums a")
	tab.Shows("#total", "2 photos")
	tab.Shows("#chips", "@women")
}

func photosOpen(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t)
	tab := browser.Tab(t, s.url+"/?q=woman")
	tab.Shows("#total", "2 photos")
	tab.Wait("the box should have the focus", `document.activeElement.id === 'q'`)
	tab.Type(kb.ArrowDown)
	tab.Wait("the first photo should have the focus", `document.activeElement.dataset.number === '0'`)
	tab.Type(kb.ArrowRight)
	tab.Type(kb.ArrowLeft + kb.Enter)
	first := text(tab, `document.querySelector('#grid a').getAttribute('href')`)
	tab.Wait("the first photo should open", `document.querySelector('#viewer').open && location.pathname + location.search === '`+first+`'`)
	tab.Shows("#facts", ".jpg")
	tab.Shows("#looks", "dog90 %")
	tab.Shows("#others", "Something else.")
	tab.Type(kb.ArrowRight)
	tab.Wait("the second should follow", `location.pathname !== '`+first+`' && document.querySelector('#following').disabled`)
	tab.Wait("its preview should load", `document.querySelector('#picture .large')?.naturalWidth > 0`)
	tab.Type("z")
	tab.Wait("the original should be shown", `document.querySelector('#stage.zoomed .large').src.endsWith('/original')`)
	tab.Type(kb.Escape)
	tab.Wait("the whole picture should be back", `!document.querySelector('#stage.zoomed')`)
	tab.Type(kb.Escape)
	tab.Wait("the grid should be back", `!document.querySelector('#viewer').open && location.pathname === '/' && document.activeElement.dataset.number === '1'`)
}

func photosHaveAddresses(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t)
	tab := browser.Tab(t, s.url+"/photo/"+s.ids["china.jpg"].String()+"?q=temple")
	tab.Shows("#caption", captions["china.jpg"])
	tab.Wait("the photo should be open", `document.querySelector('#viewer').open`)
	tab.Shows("#total", "1 photo")
	tab.Click("#close")
	tab.Wait("its search should be left", `!document.querySelector('#viewer').open && location.pathname + location.search === '/?q=temple'`)
}

func captionsAreEdited(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t)
	tab := browser.Tab(t, s.url+"/photo/"+s.ids["coffee.png"].String())
	tab.Wait("the caption should be known", `!document.querySelector('#edit').hidden`)
	tab.Type("e")
	tab.Type("not this" + kb.Escape)
	tab.Wait("Escape should leave the caption", `document.querySelector('#caption-form').hidden && document.querySelector('#viewer').open`)
	tab.Shows("#caption", captions["coffee.png"])
	tab.Type("e")
	tab.Type("Espresso with grandmother" + kb.Enter)
	tab.Shows("#edit-result", "Saved")
	tab.Wait("the caption should be what was typed", `document.querySelector('#caption').textContent === 'Espresso with grandmother'`)
	tab.Wait("it should be said whose it is", `!document.querySelector('#yours').hidden`)
	if hits := s.search("q=grandmother").Hits; len(hits) != 1 || !hits[0].Edited {
		t.Errorf("what was typed finds %+v", hits)
	}
	tab.Click("#undo")
	tab.Shows("#edit-result", "back")
	tab.Shows("#caption", captions["coffee.png"])
	if n := s.search("q=grandmother").Total; n != 0 {
		t.Errorf("after the undo it finds %d photos", n)
	}
}

func captionsAreText(t *testing.T, browser *browsertest.Browser) {
	s := newSite(t)
	tab := browser.Tab(t, s.url+"/photo/"+s.ids["<b>bold é.heic"].String()+"?q=colourful")
	tab.Shows("#facts", "<b>bold é.heic")
	tab.Shows("#caption", "<script>alert(1)</script>")
	tab.Shows("#grid figcaption", "<script>")
	if n := browsertest.Eval[int](tab, `document.querySelectorAll('b, main script, dialog script').length`); n != 0 {
		t.Errorf("%d elements were made of names and captions", n)
	}
	tab.Wait("a converted preview should be shown", `document.querySelector('#picture .large').naturalWidth > 0`)
}

// manyIndex finds any number of photos: those of a site over and over.
type manyIndex struct {
	index
	total int
	ids   atomic.Pointer[[]string]
	asked atomic.Int64 // pages
}

func (m *manyIndex) of(s *site) {
	var ids []string
	for _, id := range s.ids {
		ids = append(ids, id.String())
	}
	m.ids.Store(&ids)
}

func (m *manyIndex) Search(_ context.Context, r search.Request) (search.Result, error) {
	m.asked.Add(1)
	from, _ := strconv.Atoi(r.After) // empty: 0
	result := search.Result{Total: uint64(m.total), Hits: []search.Hit{}}
	to, ids := min(from+r.Limit, m.total), *m.ids.Load()
	for n := from; n < to; n++ {
		result.Hits = append(result.Hits, search.Hit{
			Photo: ids[n%len(ids)], Caption: fmt.Sprintf("Photo number %d.", n), Paths: []string{"/x.jpg"},
			Width: 3000 + n%7*500, Height: 2000 + n%5*500, TakenAt: fmt.Sprintf("%d-05-04T14:03:09-00:00", 2019-n/(m.total/2)),
		})
	}
	if to < m.total {
		result.Next = strconv.Itoa(to)
	}
	if r.Facets {
		result.Facets = &search.Facets{
			Years: []search.Facet{{Value: "2019", Count: 7}, {Value: "2018", Count: 3}}, Months: []search.Facet{},
			Cameras: []search.Facet{}, Folders: []search.Facet{},
		}
	}
	return result, nil
}

func thousandsScroll(t *testing.T, browser *browsertest.Browser) {
	const photos, seldom = 6000, 60
	many := &manyIndex{total: photos}
	s := newSite(t, func(c *web.Config) { many.index, c.Index = c.Index.(index), many })
	many.of(s)
	tab := browser.Tab(t, s.url+"/?q=photo")
	tab.Shows("#total", "6,000 photos")
	tab.Wait("scrolling should lead to the last photo", `(scrollTo(0, document.body.scrollHeight),
		document.querySelector('#grid a[data-number="5999"]'))`)
	if n := browsertest.Eval[int](tab, `document.querySelectorAll('.row').length`); n > seldom {
		t.Errorf("%d rows are in the page", n)
	}
	pages := many.asked.Load()
	tab.Do(`scrollTo(0, 0)`)
	tab.Shows(`#grid .cell:has(a[data-number="0"])`, "Photo number 0.")
	tab.Wait("pictures should load", `document.querySelector('#grid a[data-number="0"] img.loaded')`)
	if asked := many.asked.Load(); asked == pages {
		t.Error("what was far away was kept, or is shown without being asked for")
	}
	if n := browsertest.Eval[int](tab, `document.querySelectorAll('.row').length`); n > seldom {
		t.Errorf("back at the top %d rows are in the page", n)
	}
}
