package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// writeLibrary makes n different pictures, at most 1,024, out of a sample
// photo, by other quantisers for its five lowest frequencies.
func writeLibrary(t *testing.T, root string, n int) {
	t.Helper()
	photo := readSample(t, "astronaut.jpg")
	table := bytes.Index(photo, []byte{0xFF, 0xDB}) + 5 // behind marker, length and table number
	for i := range n {
		data := bytes.Clone(photo)
		for place, rest := 1, i; place <= 5; place, rest = place+1, rest>>2 {
			data[table+place] += byte(rest & 3)
		}
		writeFile(t, filepath.Join(root, fmt.Sprintf("sub%d", i%5), fmt.Sprintf("%04d.jpg", i)), data)
	}
}

func TestKilledAtAnyMomentEveryPhotoEndsCaptionedOnce(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	const photos = 150
	writeLibrary(t, root, photos)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 6 {
		cmd := l.command(t.Context(), "index", root)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(200+random.IntN(3000)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	l.must(exitDone, "index", root)
	l.checkWhole(photos)
}

// checkWhole checks that all photos are captioned and that search holds
// exactly what the database does.
func (l *testLibrary) checkWhole(photos int) {
	l.t.Helper()
	s := l.status()
	if s.Files.Done != photos || s.Photos != photos || s.Files.Pending+s.Files.Leased+s.Files.Failed != 0 {
		l.t.Errorf("files %+v, %d photos, want %d captioned", s.Files, s.Photos, photos)
	}
	if s.Index.Photos != photos || s.Index.Behind || s.Index.Problem != "" {
		l.t.Errorf("the index is %+v, want %d photos", s.Index, photos)
	}
}

func TestTwoIndexRunsAtOnceBothFinish(t *testing.T) {
	l := newTestLibrary(t)
	root := t.TempDir()
	const photos = 150
	writeLibrary(t, root, photos)

	var runs sync.WaitGroup
	outputs := make([]output, 2)
	for i := range outputs {
		cmd := l.command(t.Context(), "index", root)
		runs.Add(1)
		go func() {
			defer runs.Done()
			outputs[i] = l.finish(cmd)
		}()
	}
	runs.Wait()
	captioned := 0
	for _, out := range outputs {
		if out.code != exitDone {
			t.Errorf("exit code %d\n%s%s", out.code, out.stdout, out.stderr)
		}
		var pictures, now int
		if _, err := fmt.Sscanf(out.stdout, "%d pictures, %d captioned", &pictures, &now); err != nil {
			t.Errorf("%v in %q", err, out.stdout)
		}
		captioned += now
	}
	if captioned != photos {
		t.Errorf("the two runs captioned %d photos together, want each of %d once", captioned, photos)
	}
	l.checkWhole(photos)
}

func TestInterruptedOnceItFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	root := t.TempDir()
	const photos = 300
	writeLibrary(t, root, photos)
	cmd := l.command(t.Context(), "index", root)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(4 * time.Second)
	cmd.Process.Signal(syscall.SIGINT)
	interrupted := time.Now()
	cmd.Wait()
	if took := time.Since(interrupted); took > 11*time.Second {
		t.Errorf("it stopped %s after the interrupt", took)
	}
	if code := cmd.ProcessState.ExitCode(); code != exitFailed && code != exitDone {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
	if s := l.status(); s.Files.Leased != 0 || s.Index.Photos != s.Photos {
		t.Errorf("after the interrupt: %+v", s)
	}
	l.must(exitDone, "index", root)
	l.checkWhole(photos)
}
