package main

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"shoebox/search/web/browsertest"
)

// view is a page as somebody sees it.
type view struct {
	name, address string
	// ready is true once it shows what it is to show, after what it takes.
	ready   string
	prepare func(*browsertest.Tab)
}

// views are of a library of the sample photos.
func views(photos string) []view {
	open := func(tab *browsertest.Tab) {
		tab.Wait("photos should be there", `document.querySelector('#grid a')`)
		tab.Click("#grid a")
	}
	const opened = `document.querySelector('#viewer').open && document.querySelector('#picture .large')?.naturalWidth > 0 &&
		document.querySelector('#looks li') && !document.querySelector('#edit').hidden`
	const pictures = `[...document.querySelectorAll('#grid img')].length > 0 &&
		[...document.querySelectorAll('#grid img')].every((image) => image.classList.contains('loaded')) && document.querySelector('#filters li')`
	return []view{
		{name: "photos", address: "/", ready: pictures},
		{name: "search", address: "/?q=building", ready: pictures + ` && document.querySelector('#grid mark') && document.querySelector('#grid .label')`},
		{name: "nothing-found", address: "/?q=buildingg", ready: `document.querySelector('#empty .offers')`},
		{name: "bad-query", address: "/?q=man+taken:may", ready: `document.querySelector('#problem .here')`},
		{name: "photo", address: "/?q=man", prepare: open, ready: opened},
		{name: "photo-edit", address: "/?q=man", ready: `document.activeElement.id === 'caption-field'`, prepare: func(tab *browsertest.Tab) {
			open(tab)
			tab.Wait("the photo should be known", opened)
			tab.Type("e")
		}},
		{name: "library", address: "/library", ready: `document.querySelector('#failures button') && document.querySelector('#models td')`},
		{name: "caption", address: "/caption", ready: `!document.querySelector('.frame canvas').hidden`, prepare: func(tab *browsertest.Tab) {
			tab.Choose("#files", filepath.Join(photos, "astronaut.jpg"))
			tab.Wait("where the model looked should be told", `document.querySelectorAll('.word').length > 3`)
			tab.Do(`document.querySelectorAll('.word')[1].focus()`)
		}},
	}
}

// The program as users run it, with the model that it ships: a search, a
// picture's caption, and every page in each scheme and on a phone, of which
// pictures are in .build/screenshots then.
func TestEveryPageCanBeUsedByEverybody(t *testing.T) {
	browser := browsertest.Open(t)
	axe := browsertest.NewAxe(t)
	library := newTestLibrary(t)
	photos := filepath.Join(filepath.Dir(library.data), "photos")
	samples, err := filepath.Glob(filepath.Join("..", "..", "testdata", "photos", "*.[jp][pn]g"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("sample photos: %v, %v", samples, err)
	}
	for _, sample := range samples {
		writeFile(t, filepath.Join(photos, filepath.Base(sample)), readSample(t, filepath.Base(sample)))
	}
	writeFile(t, filepath.Join(photos, "broken.jpg"), []byte("no picture"))
	library.must(exitSomeFailed, "index", photos)
	tab := browser.Tab(t, library.serve("serve", "--listen", "127.0.0.1:0").url)
	weigh(t, tab)
	for _, scheme := range []string{"light", "dark"} {
		tab.Scheme(scheme)
		for _, v := range views(photos) {
			v.show(tab)
			tab.Screenshot(v.name + "-" + scheme)
			axe.Check(tab, v.name+" in "+scheme)
		}
	}
	tab.Scheme("light")
	tab.Size(390, 844, true)
	for _, v := range views(photos) {
		v.show(tab)
		tab.Screenshot(v.name + "-phone")
		axe.Check(tab, v.name+" on a phone")
		if wide := browsertest.Eval[int](tab, `document.documentElement.scrollWidth`); wide > 390 {
			t.Errorf("%s is %d pixels wide on a phone of 390", v.name, wide)
		}
	}
	tab.Go("/")
	tab.Wait("the box should be there", `document.querySelector('#q')`)
	tab.Type("rocket" + kb.Enter)
	tab.Wait("the address should hold the query", `location.search === '?q=rocket'`)
}

// weigh checks that a page is small and that nothing in it moves while it comes.
func weigh(t *testing.T, tab *browsertest.Tab) {
	t.Helper()
	tab.Wait("pictures should load", `document.querySelector('#grid img.loaded') && document.querySelector('#filters li')`)
	bytes := browsertest.Eval[float64](tab, `[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
		.filter(({ name }) => !new URL(name).pathname.startsWith('/photos/')).reduce((sum, { transferSize }) => sum + transferSize, 0)`)
	if bytes > 150e3 || bytes < 10e3 {
		t.Errorf("the page has %.0f bytes besides its pictures, want less than 150 kB", bytes)
	}
	moved := browsertest.Eval[float64](tab, `new Promise((done) => {
		new PerformanceObserver((list) => done(list.getEntries().reduce((sum, { value }) => sum + value, 0)))
			.observe({ type: 'layout-shift', buffered: true });
		setTimeout(() => done(0), 500);
	})`)
	if moved > 0.05 {
		t.Errorf("the page moves by %.3f while it comes (cumulative layout shift)", moved)
	}
}

func (v view) show(tab *browsertest.Tab) {
	tab.Go(v.address)
	if v.prepare != nil {
		v.prepare(tab)
	}
	tab.Wait(v.name+" should be shown", v.ready)
}

func TestTheWayInCanBeUsedByEverybody(t *testing.T) {
	browser := browsertest.Open(t)
	axe := browsertest.NewAxe(t)
	library := newTestLibrary(t)
	served := library.serve("serve", "--listen", "127.0.0.1:0", "--host", "photos.example")
	tab := browser.Tab(t, served.url)
	for _, scheme := range []string{"light", "dark"} {
		tab.Scheme(scheme)
		tab.Wait("the form should be shown", `document.querySelector('#token')`)
		tab.Screenshot("login-" + scheme)
		axe.Check(tab, "login in "+scheme)
	}
	tab.Go(served.login)
	tab.Wait("the link that was printed should lead in", `location.pathname === '/' && location.search === '' && document.querySelector('#empty h2')`)
	tab.Shows("#empty", "No photos yet")
	tab.Screenshot("empty-dark")
}
