package indexer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"shoebox/captioner/picture"
	"shoebox/storage"
	"shoebox/storage/postgres"
	"shoebox/storage/storagetest"
)

// This test binary is also the worker that dies of pictures, and the process in
// which they are tried alone.
const (
	beWorker = "be-a-worker"
	beTrial  = "be-a-trial"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == beTrial {
		ServeTrials(&colours{hangs: true}, deadly, 64<<20)
	}
	if len(os.Args) > 4 && os.Args[1] == beWorker {
		if err := work(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(storagetest.Main(m))
}

// What deadly does to its process on finding this at the end of a picture.
const (
	crash      = "crash the process"
	eatMemory  = "eat all memory"
	hang       = "hang"
	dieTwice   = "die, but not of the third attempt "
	killedOnce = "be killed from outside, but only once "
)

// deadly is a decoder with a defect of each kind.
func deadly(data []byte, to picture.Size) (picture.Picture, error) {
	text := string(data)
	switch {
	case strings.HasSuffix(text, crash):
		debug.SetMaxStack(16 << 20)
		var deeper func(n int) int
		deeper = func(n int) int { return deeper(n+1) + 1 }
		deeper(0)
	case strings.HasSuffix(text, eatMemory):
		for all := []byte{1}; ; {
			all = append(all, all...)
		}
	case strings.HasSuffix(text, hang):
		select {}
	case strings.Contains(text, dieTwice):
		dieUntil(3, text[strings.Index(text, dieTwice)+len(dieTwice):], syscall.SIGSEGV)
	case strings.Contains(text, killedOnce):
		dieUntil(2, text[strings.Index(text, killedOnce)+len(killedOnce):], syscall.SIGKILL)
	}
	return picture.Decode(data, to)
}

// dieUntil ends the process with a signal unless it is the nth to come here,
// which a file counts.
func dieUntil(n int64, counter string, signal syscall.Signal) {
	file, err := os.OpenFile(counter, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	file.WriteString("x")
	if info, _ := file.Stat(); info.Size() < n {
		syscall.Kill(os.Getpid(), signal)
		time.Sleep(time.Minute)
	}
}

// work is the worker that the tests start as a process of its own.
func work(url, data, root string) error {
	store, err := postgres.Open(context.Background(), url)
	if err != nil {
		return err
	}
	defer store.Close()
	j := job{root: root, data: data, store: store, captioner: &colours{called: func() { time.Sleep(20 * time.Millisecond) }}}
	w, err := j.open(context.Background())
	if err != nil {
		return err
	}
	defer j.alone.Close()
	return w.Run(context.Background())
}

// start starts a worker as a process of its own.
func (j *job) start() *exec.Cmd {
	j.t.Helper()
	cmd := exec.Command(os.Args[0], beWorker, j.url, j.data, j.root)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		j.t.Fatal(err)
	}
	return cmd
}

// runUntilDone starts workers until one ends without dying. It returns how many
// died.
func (j *job) runUntilDone(most int) (died int) {
	j.t.Helper()
	for ; died <= most; died++ {
		if j.start().Wait() == nil {
			return died
		}
	}
	j.t.Fatalf("%d workers died, and the next would, too", died)
	return died
}

func TestAPictureThatKillsItsWorkerIsSetAsideAndItsNeighboursAreUnharmed(t *testing.T) {
	j := newJob(t)
	want := make(map[string]string)
	for n := range 60 {
		name := fmt.Sprintf("%d.png", n)
		j.picture(name, shade(n), "")
		want[name] = shadeCaption(n)
	}
	j.picture("10-crash.png", shade(1000), crash)
	j.picture("20-memory.png", shade(1001), "harmless for now")
	if died := j.runUntilDone(1); died != 1 {
		t.Errorf("%d workers died, want one", died)
	}
	want["20-memory.png"] = shadeCaption(1001)
	j.checkCaptions(want)
	j.checkCodes(map[string]string{"10-crash.png": "killed-the-worker"})

	// What is tried again by hand is tried alone again, without a death.
	if n, err := j.store.RetryFailures(t.Context(), nil); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	j.picture("harmless.png", shade(1002), "")
	want["harmless.png"] = shadeCaption(1002)
	if died := j.runUntilDone(1); died != 0 {
		t.Errorf("%d workers died of a known suspect", died)
	}
	j.checkCaptions(want)
	j.checkCodes(map[string]string{"10-crash.png": "killed-the-worker"})

	// Once it has changed, it is a picture like any other.
	j.picture("10-crash.png", shade(1003), "mended")
	want["10-crash.png"] = shadeCaption(1003)
	if died := j.runUntilDone(1); died != 0 {
		t.Errorf("%d workers died of the mended picture", died)
	}
	j.checkCaptions(want)
	j.checkCodes(map[string]string{})
}

func TestAPictureThatEatsMemoryIsSetAsideByItsLimit(t *testing.T) {
	j := newJob(t)
	j.picture("good.png", shade(1), "")
	j.picture("memory.png", shade(2), eatMemory)
	j.suspect()
	j.run()
	j.checkCaptions(map[string]string{"good.png": shadeCaption(1)})
	j.checkCodes(map[string]string{"memory.png": "killed-the-worker"})
	for f, err := range j.store.Failures(t.Context(), nil) {
		if err != nil || !strings.Contains(f.Text, "more than 200 MB") {
			t.Errorf("the reason is %q, %v", f.Text, err)
		}
	}
}

func TestADecoderThatHangsCostsOnlyItsPicture(t *testing.T) {
	j := newJob(t)
	want := make(map[string]string)
	for n := range 40 {
		name := fmt.Sprintf("%d.png", n)
		j.picture(name, shade(n), "")
		want[name] = shadeCaption(n)
	}
	j.picture("5-hangs.png", shade(1000), hang)
	j.alone.Time = 300 * time.Millisecond
	w := j.worker()
	w.decodeLimit = 300 * time.Millisecond
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.checkCaptions(want)
	j.checkCodes(map[string]string{"5-hangs.png": "killed-the-worker"})
}

func TestAModelThatHangsCostsOnlyThePictureItHangsOn(t *testing.T) {
	j := newJob(t)
	want := make(map[string]string)
	for n := range 40 {
		name := fmt.Sprintf("%d.png", n)
		j.picture(name, shade(n), "")
		want[name] = shadeCaption(n)
	}
	j.picture("5-hangs.png", hanging, "")
	j.captioner.hangs = true
	j.alone.Time = time.Second
	w := j.worker()
	w.modelLimit = time.Second
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.checkCaptions(want)
	j.checkCodes(map[string]string{"5-hangs.png": "killed-the-worker"})
}

func TestAModelThatAlwaysHangsEndsTheRunAndAccusesNobody(t *testing.T) {
	j := newJob(t)
	for n := range 100 { // more than two batches
		j.picture(fmt.Sprintf("%d.png", n), hanging, fmt.Sprint(n))
	}
	j.captioner.hangs = true
	w := j.worker()
	w.modelLimit = time.Second
	if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the model hangs") {
		t.Fatalf("it ended with %v", err)
	}
	counts, err := j.store.CountFiles(t.Context(), nil)
	if err != nil || counts.Leased != 0 || counts.Failed != counts.Retrying || counts.Pending+counts.Failed != 100 {
		t.Errorf("it left %+v, %v", counts, err)
	}
}

func TestTwoStrikesAreForgiven(t *testing.T) {
	j := newJob(t)
	j.picture("a.png", shade(1), dieTwice+filepath.Join(t.TempDir(), "counter"))
	j.suspect()
	j.run()
	j.checkCaptions(map[string]string{"a.png": shadeCaption(1)})
	j.checkCodes(map[string]string{})
}

func TestASuspectWhoseProcessWasKilledFromOutsideGetsAnotherAtOnce(t *testing.T) {
	j := newJob(t)
	j.picture("a.png", shade(1), killedOnce+filepath.Join(t.TempDir(), "counter"))
	j.suspect()
	began := time.Now()
	j.run()
	j.checkCaptions(map[string]string{"a.png": shadeCaption(1)})
	if took := time.Since(began); took >= firstPause {
		t.Errorf("it took %s, as long as the pause after a failure", took)
	}
}

func TestKillingWorkersAccusesNobody(t *testing.T) {
	j := newJob(t)
	const files = 300
	for n := range files {
		j.picture(fmt.Sprintf("%d.png", n), shade(n), "")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		cmd := j.start()
		time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	if died := j.runUntilDone(0); died != 0 {
		t.Errorf("%d workers died by themselves", died)
	}
	j.checkCodes(map[string]string{})
	if n := len(j.captions()); n != files {
		t.Errorf("%d files have a caption, want %d", n, files)
	}
}

func TestASuspectKeepsTheCaptionsThatItCouldHaveWithoutTheModel(t *testing.T) {
	j := newJob(t)
	j.picture("a.png", shade(1), "")
	j.run()
	if err := j.store.EditCaption(t.Context(), j.photo("a.png"), "Mine."); err != nil {
		t.Fatal(err)
	}
	j.picture("copy.png", shade(1), "")
	j.picture("rated by another program.png", shade(1), "five stars")
	j.suspect()
	j.run()
	j.checkCaptions(map[string]string{"a.png": "Mine.", "copy.png": "Mine.", "rated by another program.png": "Mine."})
}

// suspect makes all that is pending suspect: its worker has died.
func (j *job) suspect() {
	j.t.Helper()
	w := j.worker()
	dead := storage.Owner{Machine: "gone", PID: 1, StartedAt: 1}
	claims, err := j.store.Claim(j.t.Context(), dead, w.folderIDs(), 1000, time.Hour)
	if err != nil || len(claims) == 0 {
		j.t.Fatal(claims, err)
	}
	if _, err := j.store.TakeBack(j.t.Context(), dead); err != nil {
		j.t.Fatal(err)
	}
}

func (w *Worker) folderIDs() (ids []int64) {
	for id := range w.Roots {
		ids = append(ids, id)
	}
	return ids
}

func (j *job) photo(name string) storage.PhotoID {
	j.t.Helper()
	changes, err := j.store.Changes(j.t.Context(), storage.Cursor{}, 10_000)
	if err != nil {
		j.t.Fatal(err)
	}
	for _, c := range changes.Items {
		for _, p := range c.Paths {
			if p == filepath.Join(j.root, name) {
				return c.Photo.ID
			}
		}
	}
	j.t.Fatalf("%s has no photo", name)
	return storage.PhotoID{}
}

func (j *job) checkCaptions(want map[string]string) {
	j.t.Helper()
	if got := j.captions(); !maps.Equal(got, want) {
		j.t.Errorf("%d captions, want %d: %v", len(got), len(want), got)
	}
}

func (j *job) checkCodes(want map[string]string) {
	j.t.Helper()
	if got := j.codes(); !maps.Equal(got, want) {
		j.t.Errorf("failures are %v, want %v", got, want)
	}
}

func TestWhatAChildSaysOfAPhotoArrivesExactly(t *testing.T) {
	utc := 0
	want := sight{Photo: &storage.Photo{
		Pixels: [32]byte{1, 2, 255}, Format: "jpeg", Width: 4000, Height: 3000, Damaged: true,
		Metadata: storage.Metadata{
			Taken: storage.Taken{Clock: time.Date(2019, 5, 1, 12, 0, 0, 123, time.UTC), Offset: &utc},
			Make:  "Canon", Camera: "Canon EOS", Lens: "50mm <fast>", ExposureTime: 1. / 3, FNumber: 2.8, ISO: 400,
			FocalLength: 50, Location: &storage.Location{},
			Title: "Bo", Description: "In the garden", Keywords: []string{"dog"}, People: []string{"Ann"}, Rating: 5,
		},
		Caption: storage.Caption{Text: "A dog.", Score: -1. / 3, Unsure: true, Model: "m"},
		Seen: storage.Seen{
			Others: []storage.OtherCaption{{Text: "A cat.", Likelihood: -1. / 3}}, Words: []byte{0, 128, 255},
			Classes: []storage.ClassShare{{Class: 999, Probability: 1. / 3}}, Model: "m",
		},
	}}
	answer, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got sight
	if err := json.Unmarshal(answer, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v, %v", got.Photo, want.Photo, err)
	}
}
