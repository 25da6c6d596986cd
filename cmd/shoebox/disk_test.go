package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAFullDiskIsWaitedForAndLosesNothing fills the disk of the data folder,
// which is a small file system of its own, in the middle of a run.
func TestAFullDiskIsWaitedForAndLosesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	l := newTestLibrary(t)
	disk := filepath.Dir(l.data)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=200m,mode=0755"); err != nil {
		t.Skipf("needs to mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	root := t.TempDir()
	const photos = 100
	writeLibrary(t, root, photos)
	l.must(exitDone, "status") // makes the database

	run := l.begin(l.command(t.Context(), "index", root))
	run.await("the last note before the work", func() bool {
		_, err := os.Stat(filepath.Join(l.data, "boots"))
		return err == nil
	})
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	run.await("a word on it", run.says("waiting for the database"))
	if said := run.stderr.String(); !strings.Contains(said, "No space left on device") && !strings.Contains(said, "no space left on device") {
		t.Errorf("it says %s", said)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	run.captionedOnce(photos)
	l.checkWhole(photos)
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		block := make([]byte, size)
		for err = nil; err == nil; {
			_, err = file.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}
