package indexer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shoebox/captioner"
	"shoebox/captioner/picture"
	"shoebox/indexer/isolate"
	"shoebox/indexer/scan"
	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

// colours is a captioner whose caption is the first pixel, so that a test
// knows what must come out, and which counts what it was asked.
type colours struct {
	fails  color.RGBA // the model breaks on pictures of this colour
	hangs  bool       // the model hangs on pictures of the colour hanging
	asked  atomic.Int64
	called func() // before each call; may be nil
	hash   string // empty: colours-1
}

func (c *colours) Size() picture.Size { return picture.Size{Width: 8, Height: 8} }
func (c *colours) Name() string       { return "colours" }
func (c *colours) Hash() string       { return cmp.Or(c.hash, "colours-1") }

func (c *colours) Vocabulary() storage.Vocabulary {
	return storage.Vocabulary{Smallest: 1e-4, Words: []storage.PictureWord{{Stem: "red", Prior: 0.1, Forms: []string{"red"}}}}
}

// hanging is the colour that a model can hang on.
var hanging = shade(999)

func (c *colours) Describe(pictures [][]byte) ([]captioner.Description, error) {
	if c.called != nil {
		c.called()
	}
	descriptions := make([]captioner.Description, len(pictures))
	for i, p := range pictures {
		if p[0] == c.fails.R && p[1] == c.fails.G && p[2] == c.fails.B && c.fails.A != 0 {
			return nil, errors.New("out of order")
		}
		if c.hangs && p[0] == hanging.R && p[1] == hanging.G && p[2] == hanging.B {
			select {}
		}
		descriptions[i] = captioner.Description{
			Caption: storage.Caption{Text: fmt.Sprintf("Colour %d %d %d.", p[0], p[1], p[2]), Model: c.Hash()},
			Seen:    storage.Seen{Words: []byte{p[0]}, Classes: []storage.ClassShare{{Class: int(p[1]), Probability: 1}}, Model: c.Hash()},
		}
	}
	c.asked.Add(int64(len(pictures)))
	return descriptions, nil
}

// job is a folder, a database and a worker over them.
type job struct {
	t         *testing.T
	root      string
	store     *postgres.Store
	data      string // this machine's notes
	url       string
	captioner *colours
	alone     *isolate.Process
	progress  Progress
}

func newJob(t *testing.T) *job {
	t.Helper()
	url := storagetest.Server(t)
	if _, _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	store, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	alone := &isolate.Process{Args: []string{beTrial}, Memory: 200 << 20, Time: time.Minute}
	t.Cleanup(alone.Close)
	return &job{t: t, root: t.TempDir(), data: t.TempDir(), url: url, store: store, captioner: &colours{}, alone: alone}
}

// picture writes a PNG of one colour; note changes its bytes, not its pixels.
func (j *job) picture(name string, c color.RGBA, note string) {
	j.t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		img.SetRGBA(i%8, i/8, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		j.t.Fatal(err)
	}
	b.WriteString(note) // behind the end of a PNG anything may stand
	path := filepath.Join(j.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		j.t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		j.t.Fatal(err)
	}
}

func (j *job) worker() *Worker {
	j.t.Helper()
	w, err := j.open(j.t.Context())
	if err != nil {
		j.t.Fatal(err)
	}
	return w
}

// open scans and returns a worker for what was found.
func (j *job) open(ctx context.Context) (*Worker, error) {
	if j.alone == nil {
		j.alone = &isolate.Process{Args: []string{beTrial}, Memory: 200 << 20, Time: time.Minute}
	}
	self, err := Self(j.data)
	if err != nil {
		return nil, err
	}
	scanned, err := Scan(ctx, j.store, []string{j.root}, scan.Options{})
	if err != nil {
		return nil, err
	}
	return &Worker{
		Queue: j.store, Captioner: j.captioner, Decode: deadly, Alone: j.alone, Self: self,
		Roots:   map[int64]Root{scanned[0].Folder.ID: {Path: scanned[0].Folder.Path, Info: scanned[0].Root, Scanned: true}},
		Readers: 2, Memory: picture.NewBudget(64 << 20), Threads: 2, ModelThreads: 1, Batch: 32,
		Progress: &j.progress, Stages: &Stages{}, Committed: func() {},
	}, nil
}

func (j *job) run() {
	j.t.Helper()
	if err := j.worker().Run(j.t.Context()); err != nil {
		j.t.Fatal(err)
	}
}

// captions reads what is stored, by relative path, from the change feed.
func (j *job) captions() map[string]string {
	j.t.Helper()
	found := make(map[string]string)
	changes, err := j.store.Changes(j.t.Context(), storage.Cursor{}, 10_000)
	if err != nil {
		j.t.Fatal(err)
	}
	for _, c := range changes.Items {
		for _, p := range c.Paths {
			rel, _ := filepath.Rel(j.root, p)
			found[rel] = c.Photo.Text
		}
	}
	return found
}

func (j *job) check(want map[string]string, asked int64) {
	j.t.Helper()
	got := j.captions()
	for path, caption := range want {
		if got[path] != caption {
			j.t.Errorf("%s: caption %q, want %q", path, got[path], caption)
		}
	}
	if len(got) != len(want) {
		j.t.Errorf("%d files have a caption, want %d: %v", len(got), len(want), got)
	}
	if n := j.captioner.asked.Load(); n != asked {
		j.t.Errorf("the model captioned %d pictures, want %d", n, asked)
	}
}

func (j *job) codes() map[string]string {
	j.t.Helper()
	codes := make(map[string]string)
	for f, err := range j.store.Failures(j.t.Context(), nil) {
		if err != nil {
			j.t.Fatal(err)
		}
		rel, _ := filepath.Rel(j.root, f.Path)
		codes[rel] = f.Code
	}
	return codes
}

func shade(n int) color.RGBA { return color.RGBA{uint8(n), uint8(n >> 8), 7, 255} }

func shadeCaption(n int) string { return fmt.Sprintf("Colour %d %d 7.", n&255, n>>8) }

func TestCopiesMovesAndRewrittenFilesAreCaptionedOnce(t *testing.T) {
	j := newJob(t)
	want := make(map[string]string)
	for n := range 200 {
		name := fmt.Sprintf("%03d.png", n)
		j.picture(name, shade(n), "")
		j.picture("copies/"+name, shade(n), "")
		want[name], want["copies/"+name] = shadeCaption(n), shadeCaption(n)
	}
	j.run()
	j.check(want, 200)

	if err := os.Rename(filepath.Join(j.root, "copies"), filepath.Join(j.root, "moved")); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		name := fmt.Sprintf("%03d.png", n)
		delete(want, "copies/"+name)
		want["moved/"+name] = shadeCaption(n)
	}
	j.picture("000.png", shade(0), "another program wrote a title")
	j.run()
	j.check(want, 200)
	if n := j.progress.Captioned.Load(); n != 200 {
		t.Errorf("progress says %d captioned, want 200", n)
	}
}

func TestAPictureTheModelFailsOnCostsOnlyItself(t *testing.T) {
	j := newJob(t)
	j.captioner.fails = shade(17)
	want := make(map[string]string)
	for n := range 50 {
		name := fmt.Sprintf("%d.png", n)
		j.picture(name, shade(n), "")
		if n != 17 {
			want[name] = shadeCaption(n)
		}
	}
	// A copy of the bad one waits for a caption that never comes.
	j.picture("17-copy.png", shade(17), "")
	j.run()
	j.check(want, 49)
	codes := j.codes()
	if len(codes) != 2 || codes["17.png"] != "model" || codes["17-copy.png"] != "model" {
		t.Errorf("failures are %v, want the bad picture and its copy", codes)
	}
}

func TestTwoWorkersCaptionNothingTwice(t *testing.T) {
	j := newJob(t)
	want := make(map[string]string)
	for n := range 300 {
		name := fmt.Sprintf("%d.png", n)
		j.picture(name, shade(n), "")
		want[name] = shadeCaption(n)
	}
	first, second := j.worker(), j.worker()
	second.Self.Machine = "another machine"
	// Slow enough that both get work.
	j.captioner.called = func() { time.Sleep(5 * time.Millisecond) }
	var both sync.WaitGroup
	for _, w := range []*Worker{first, second} {
		both.Add(1)
		go func() {
			defer both.Done()
			if err := w.Run(t.Context()); err != nil {
				t.Error(err)
			}
		}()
	}
	both.Wait()
	j.check(want, 300)
}

func TestAStoppedWorkerFinishesWhatIsInHandAndGivesTheRestBack(t *testing.T) {
	j := newJob(t)
	const files = 1000
	for n := range files {
		j.picture(fmt.Sprintf("%d.png", n), shade(n), "")
	}
	ctx, stop := context.WithCancel(t.Context())
	j.captioner.called = stop
	if err := j.worker().Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("the stopped worker says %v", err)
	}
	counts, err := j.store.CountFiles(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if counts.Leased != 0 || counts.Done == 0 || counts.Pending == 0 || int64(counts.Done) != j.captioner.asked.Load() {
		t.Errorf("after the stop %+v with %d captions computed", counts, j.captioner.asked.Load())
	}
	j.captioner.called = nil
	j.run()
	if n := len(j.captions()); n != files || j.captioner.asked.Load() != files {
		t.Errorf("%d captions stored, %d computed, want %d", n, j.captioner.asked.Load(), files)
	}
}

func TestFilesOfADeadWorkerAreTakenBackAtOnce(t *testing.T) {
	j := newJob(t)
	j.picture("a.png", shade(1), "")
	w := j.worker()
	dead := w.Self.Owner
	dead.PID, dead.StartedAt = 1, dead.StartedAt+1 // process 1 lives, but began at another time
	claims, err := j.store.Claim(t.Context(), dead, slices.Collect(maps.Keys(w.Roots)), 10, time.Hour)
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.checkCaptions(map[string]string{"a.png": shadeCaption(1)})
}

func TestAFileThatVanishesBetweenScanAndReadIsNoFailure(t *testing.T) {
	j := newJob(t)
	j.picture("here.png", shade(1), "")
	j.picture("gone.png", shade(2), "")
	w := j.worker()
	if err := os.Remove(filepath.Join(j.root, "gone.png")); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.check(map[string]string{"here.png": shadeCaption(1)}, 1)
	if codes := j.codes(); len(codes) != 0 {
		t.Errorf("failures are %v, want none", codes)
	}
}

func TestAFileThatKeepsChangingIsLeftForLater(t *testing.T) {
	// Large enough that reading it takes longer than the clock of mtimes ticks.
	const size = 64 << 20
	path := filepath.Join(t.TempDir(), "changing.jpg")
	if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Add(1)
	go func() {
		defer writer.Done()
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				file.WriteAt([]byte{1}, 0)
			}
		}
	}()
	_, err = readStable(t.Context(), path, 1<<30)
	close(stop)
	writer.Wait()
	if !errors.Is(err, errChanging) {
		t.Fatalf("the error is %v, want %v", err, errChanging)
	}
	data, err := readStable(t.Context(), path, 1<<30)
	if err != nil || len(data) != size {
		t.Errorf("at rest: %d bytes, error %v", len(data), err)
	}
}

func TestUnreadableAndOverlargeFilesFailWithTheReason(t *testing.T) {
	j := newJob(t)
	j.picture("good.png", shade(3), "")
	if err := os.WriteFile(filepath.Join(j.root, "text.jpg"), []byte("Dear diary"), 0o644); err != nil {
		t.Fatal(err)
	}
	huge := filepath.Join(j.root, "huge.tif")
	if err := os.WriteFile(huge, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 17<<20); err != nil { // sparse; more than a quarter of 64 MB
		t.Fatal(err)
	}
	j.run()
	j.check(map[string]string{"good.png": shadeCaption(3)}, 1)
	codes := j.codes()
	if codes["text.jpg"] != "not-a-picture" || codes["huge.tif"] != "too-large" {
		t.Errorf("failures are %v", codes)
	}
}

func TestADiskThatIsUnmountedDuringTheRunStopsItAndDeletesNothing(t *testing.T) {
	j := newJob(t)
	const files = 300
	for n := range files {
		j.picture(fmt.Sprintf("%d.png", n), shade(n), "")
	}
	w := j.worker()
	away := j.root + ".away"
	var once sync.Once
	j.captioner.called = func() {
		once.Do(func() {
			if err := errors.Join(os.Rename(j.root, away), os.Mkdir(j.root, 0o755)); err != nil {
				t.Error(err)
			}
		})
	}
	if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "went away") {
		t.Errorf("the error is %v", err)
	}
	counts, err := j.store.CountFiles(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if counts.Missing != 0 || counts.Failed != 0 || counts.Done+counts.Pending != files {
		t.Errorf("without the disk: %+v", counts)
	}
	if err := errors.Join(os.Remove(j.root), os.Rename(away, j.root)); err != nil {
		t.Fatal(err)
	}
	j.run()
	if n := len(j.captions()); n != files {
		t.Errorf("%d captions in the end, want %d", n, files)
	}
}

func TestAModelThatFailsOnEverythingFailsTheRunAndNoFile(t *testing.T) {
	j := newJob(t)
	j.captioner.fails = color.RGBA{128, 128, 128, 255} // the grey picture, too
	for n := range 3 {
		j.picture(fmt.Sprintf("%d.png", n), j.captioner.fails, fmt.Sprint(n))
	}
	if err := j.worker().Run(t.Context()); err == nil || !strings.Contains(err.Error(), "every picture") {
		t.Errorf("the error is %v", err)
	}
	if codes := j.codes(); len(codes) != 0 {
		t.Errorf("failures are %v, want none", codes)
	}
}

func TestAZombieIsDead(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	var self Identity
	owner := storage.Owner{PID: cmd.Process.Pid}
	for deadline := time.Now().Add(10 * time.Second); !self.dead(owner); time.Sleep(10 * time.Millisecond) {
		if started, err := processStart(owner.PID); err == nil {
			owner.StartedAt = started
		}
		if time.Now().After(deadline) {
			t.Fatal("a process that has ended and was not waited for counts as alive")
		}
	}
}
