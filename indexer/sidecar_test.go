package indexer

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/captioner/picture"
	"shoebox/storage"
)

// sidecar writes an XMP packet with a title.
func (j *job) sidecar(name, title string) {
	j.t.Helper()
	j.write(name, `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
		<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>`+title+`</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>`)
}

func (j *job) write(name, content string) {
	j.t.Helper()
	if err := os.WriteFile(filepath.Join(j.root, name), []byte(content), 0o644); err != nil {
		j.t.Fatal(err)
	}
}

// titles reads the titles of what is shown, by relative path.
func (j *job) titles() map[string]string {
	j.t.Helper()
	found := make(map[string]string)
	for change, err := range j.store.Photos(j.t.Context()) {
		if err != nil {
			j.t.Fatal(err)
		}
		for _, path := range change.Paths {
			rel, _ := filepath.Rel(j.root, path)
			found[rel] = change.Photo.Title
		}
	}
	return found
}

// logged collects what is logged until the test ends.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	return &log
}

func TestASidecarIsReadWithANewPictureAndAloneWhenOnlyItChanges(t *testing.T) {
	j := newJob(t)
	decoded := 0
	run := func() {
		t.Helper()
		w := j.worker()
		w.Readers = 1
		w.Decode = func(data []byte, to picture.Size) (picture.Picture, error) {
			decoded++
			return deadly(data, to)
		}
		if err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	j.picture("1.png", shade(1), "")
	j.picture("2.png", shade(2), "")
	j.sidecar("1.xmp", "Lighthouse")
	for i, step := range []struct {
		what     string
		change   func()
		one, two string
		sidecars int64 // read alone so far
	}{
		{"new, with its picture", func() {}, "Lighthouse", "", 0},
		{"new, later", func() { j.sidecar("2.png.xmp", "Windmill") }, "Lighthouse", "Windmill", 1},
		{"changed", func() { j.sidecar("1.xmp", "Old lighthouse") }, "Old lighthouse", "Windmill", 2},
		{"broken", func() { j.write("2.png.xmp", "<x:xmpmeta") }, "Old lighthouse", "", 3},
		{"mended", func() { j.sidecar("2.png.xmp", "Windmill again") }, "Old lighthouse", "Windmill again", 4},
		{"without anything to say", func() { j.sidecar("2.png.xmp", "") }, "Old lighthouse", "", 5},
		{"too large", func() { j.write("2.png.xmp", strings.Repeat(" ", picture.MaxSidecarSize+1)) }, "Old lighthouse", "", 6},
		{"removed", func() { os.Remove(filepath.Join(j.root, "1.xmp")) }, "", "", 7},
		{"untouched", func() {}, "", "", 7},
	} {
		step.change()
		run()
		got := j.titles()
		if got["1.png"] != step.one || got["2.png"] != step.two || j.progress.Sidecars.Load() != step.sidecars {
			t.Errorf("%s: titles %q, %d sidecars read alone", step.what, got, j.progress.Sidecars.Load())
		}
		if decoded != 2 || j.progress.Captioned.Load() != 2 || j.progress.Failed.Load() != 0 {
			t.Errorf("step %d: %d pictures decoded, %d captioned, %d failed", i, decoded, j.progress.Captioned.Load(), j.progress.Failed.Load())
		}
	}
}

func TestABrokenSidecarIsNoFailureOfItsPicture(t *testing.T) {
	log := logged(t)
	j := newJob(t)
	want := make(map[string]string)
	for i, content := range []string{"", "not of XMP", "<x:xmpmeta", "\xff\xd8\xff\xe0"} {
		name := fmt.Sprintf("%d.png", i)
		j.picture(name, shade(i), "")
		j.write(fmt.Sprintf("%d.xmp", i), content)
		want[name] = shadeCaption(i)
	}
	j.run()
	j.check(want, int64(len(want)))
	if codes := j.codes(); len(codes) != 0 {
		t.Errorf("failures are %v", codes)
	}
	for name := range want {
		if file := strings.TrimSuffix(name, ".png") + ".xmp"; !strings.Contains(log.String(), filepath.Join(j.root, file)) {
			t.Errorf("nobody is told of %s:\n%s", file, log)
		}
	}
	said := log.Len()
	if j.run(); log.Len() != said {
		t.Errorf("told again, although nothing has changed:\n%s", log.String()[said:])
	}
}

func TestASidecarOfADeadWorkerIsReadByTheNext(t *testing.T) {
	j := newJob(t)
	j.picture("a.png", shade(1), "")
	j.run()
	j.sidecar("a.xmp", "Lighthouse")
	w := j.worker()
	dead := w.Self.Owner
	dead.PID, dead.StartedAt = 1, dead.StartedAt+1
	claims, err := j.store.Claim(t.Context(), dead, slices.Collect(maps.Keys(w.Roots)), 10, time.Hour)
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := j.titles()["a.png"]; got != "Lighthouse" || j.captioner.asked.Load() != 1 {
		t.Errorf("the title is %q, %d captions", got, j.captioner.asked.Load())
	}
}

func TestADiskThatGoesAwayTakesNoSidecarWithIt(t *testing.T) {
	for what, away := range map[string]string{"the root": "", "a disk below the root": "disk"} {
		t.Run(what, func(t *testing.T) {
			j := newJob(t)
			j.picture("disk/a.png", shade(1), "")
			j.picture("b.png", shade(2), "")
			j.sidecar("disk/a.xmp", "Lighthouse")
			j.run()
			j.sidecar("disk/a.xmp", "Old lighthouse")
			w := j.worker()
			path := filepath.Join(j.root, away)
			if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o755)); err != nil {
				t.Fatal(err)
			}
			if err := w.Run(t.Context()); (err != nil) != (away == "") {
				t.Errorf("the worker says %v", err)
			}
			if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
				t.Fatal(err)
			}
			j.run()
			if got := j.titles()["disk/a.png"]; got != "Old lighthouse" || j.captioner.asked.Load() != 2 {
				t.Errorf("the title is %q, %d captions", got, j.captioner.asked.Load())
			}
		})
	}
}

func TestTheSidecarThatTheScanSawIsRead(t *testing.T) {
	j := newJob(t)
	j.sidecar("a.xmp", "Lighthouse")
	j.sidecar("a.png.xmp", "Windmill")
	info, err := os.Stat(filepath.Join(j.root, "a.xmp"))
	if err != nil {
		t.Fatal(err)
	}
	seen := storage.SidecarStat{Size: info.Size(), ModTime: info.ModTime().UnixNano()}
	for want, stat := range map[string]storage.SidecarStat{"Lighthouse": seen, "Windmill": {Size: 1}} {
		got, err := readSidecarOf(t.Context(), filepath.Join(j.root, "a.png"), stat)
		if err != nil || got.Title != want {
			t.Errorf("of %+v: %q, %v, want %q", stat, got.Title, err, want)
		}
	}
	missing := []string{"b.png", "c/a.png"}
	if slices.ContainsFunc(missing, func(name string) bool {
		_, err := readSidecarOf(t.Context(), filepath.Join(j.root, name), seen)
		return !errors.Is(err, os.ErrNotExist)
	}) {
		t.Error("a sidecar that is not there was read")
	}
}
