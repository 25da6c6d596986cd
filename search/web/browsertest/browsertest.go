// Package browsertest opens pages in a real browser, in tests: Debian's
// chromium, without a window. It knows how to look and to type, and nothing of
// what pages mean.
//
// Whatever a page should never do fails its test: an error that nothing
// caught, something that the Content-Security-Policy forbids, a request to
// another host.
package browsertest

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long something may take to be seen, on a busy machine.
const patience = 30 * time.Second

// browsers are names under which systems have Chromium.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// Browser is a running Chromium. It ends with its test.
type Browser struct{ ctx context.Context }

// Open starts a browser. Where there is none the test is skipped.
func Open(t *testing.T) *Browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(find(t)), chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("force-prefers-reduced-motion", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with it
	}
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting the browser: %v", err)
	}
	return &Browser{ctx}
}

func find(t *testing.T) string {
	t.Helper()
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no Chromium here: `apt-get install chromium` brings one")
	return ""
}

// Tab is a page in a browser. All methods fail the test when what they wait
// for does not come.
type Tab struct {
	t    testing.TB
	ctx  context.Context
	site *url.URL
}

// Tab opens a page of a site, of which address is a page.
func (b *Browser) Tab(t testing.TB, address string) *Tab {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	t.Cleanup(end)
	site, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	tab := &Tab{t, ctx, site}
	// Without a time limit: its end would be the tab's.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, tab.observe); err != nil {
		t.Fatal(err)
	}
	call(tab, network.Enable, network.EnableParams{})
	call(tab, log.Enable, cdp.Empty{})
	tab.Size(1280, 820, false)
	tab.Go(address)
	return tab
}

// observe reports what a page should never do.
func (b *Tab) observe(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.t.Errorf("the page throws %v", e.ExceptionDetails)
	case *log.EventEntryAdded:
		if strings.Contains(e.Entry.Text, "Content Security Policy") {
			b.t.Error(e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		to, err := url.Parse(e.Request.URL)
		if err != nil || (to.Scheme == "http" || to.Scheme == "https") && to.Host != b.site.Host {
			b.t.Errorf("the page asks for %s", e.Request.URL)
		}
	}
}

// run does something in the page.
func run[T any](b *Tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}

// call sends a command of the DevTools protocol.
func call[P, R any](b *Tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	run(b, func(ctx context.Context, target *chromedp.Target) (R, error) {
		return cdp.Call(ctx, target, command, params)
	})
}

// Size gives the page a size in pixels, and perhaps that of a phone's screen.
func (b *Tab) Size(width, height int, phone bool) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(width), Height: int64(height), DeviceScaleFactor: 1, Mobile: phone,
	})
}

// Scheme is "light" or "dark".
func (b *Tab) Scheme(scheme string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// Go opens an address, which may be relative to the page.
func (b *Tab) Go(address string) {
	b.t.Helper()
	to, err := b.site.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	run(b, chromedp.Navigate(to.String()))
}

// Eval returns the value of an expression, or of a promise.
func Eval[T any](b *Tab, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Do runs statements.
func (b *Tab) Do(statements string) {
	b.t.Helper()
	Eval[chromedp.Void](b, "(async () => {"+statements+"})()")
}

// Wait waits until an expression is true. What it waits for is said when it is
// not.
func (b *Tab) Wait(what, expression string) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		// A page that is just being left has no answer.
		if holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")")); err == nil && holds {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			b.Screenshot("failed")
			b.t.Fatalf("%s: %s is never true; failed.png shows the page", what, expression)
		}
	}
}

// Shows waits until the first element of a selector holds a text.
func (b *Tab) Shows(selector, text string) {
	b.t.Helper()
	b.Wait(selector+" should show "+text, "document.querySelector("+quoted(selector)+")?.textContent.includes("+quoted(text)+")")
}

// Click clicks the first visible element of a selector.
func (b *Tab) Click(selector string) {
	b.t.Helper()
	run(b, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type types as a person does, where the focus is. kb.Enter and such are keys.
func (b *Tab) Type(keys string) {
	b.t.Helper()
	for _, key := range keys {
		// A key brings its character with it, unless the page keeps the key: as
		// an event of its own the character would come anyway.
		events := kb.Encode(key)
		down, up := events[0], events[len(events)-1]
		if len(events) == 3 {
			down.Type, down.Text = input.DispatchKeyEventTypeKeyDown, events[1].Text
		}
		call(b, input.DispatchKeyEvent, *down)
		call(b, input.DispatchKeyEvent, *up)
	}
}

// Choose puts files into a field for files.
func (b *Tab) Choose(selector string, files ...string) {
	b.t.Helper()
	run(b, chromedp.SetUploadFiles(chromedp.CSS(selector), files))
}

// Back goes back in the history.
func (b *Tab) Back() {
	b.t.Helper()
	b.Do("history.back()")
}

// Screenshot puts a picture of the page below .build/screenshots.
func (b *Tab) Screenshot(name string) {
	b.t.Helper()
	dir := filepath.Join(root(b.t), ".build", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), run(b, chromedp.CaptureScreenshot()), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// root is the folder with go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("there is no go.mod above the test")
	return ""
}

func quoted(text string) string {
	literal, _ := json.Marshal(text) // a string has JSON
	return string(literal)
}
