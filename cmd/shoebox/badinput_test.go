package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func encodePNG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hugePNG is a PNG that says it has 30,000 x 30,000 pixels.
func hugePNG(t *testing.T) []byte {
	t.Helper()
	data := encodePNG(t, image.NewGray(image.Rect(0, 0, 1, 1)))
	binary.BigEndian.PutUint32(data[16:], 30_000)
	binary.BigEndian.PutUint32(data[20:], 30_000)
	return withCRC(data)
}

// TestEveryBadFileCostsOneRowAndSaysWhy is the whole list of bad input in
// one library: what can be captioned is, and each of the others says why not.
func TestEveryBadFileCostsOneRowAndSaysWhy(t *testing.T) {
	l := newTestLibrary(t)
	root := t.TempDir()
	photo := readSample(t, "grace_hopper.jpg")
	grey16 := image.NewGray16(image.Rect(0, 0, 40, 30))
	alpha := image.NewNRGBA(image.Rect(0, 0, 40, 30))
	for i := range 40 * 30 {
		grey16.SetGray16(i%40, i/40, color.Gray16{Y: uint16(i * 50)})
		alpha.SetNRGBA(i%40, i/40, color.NRGBA{200, 30, 90, uint8(i)})
	}
	cmyk, err := os.ReadFile(filepath.Join("..", "..", "captioner", "picture", "testdata", "inputs", "cmyk.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	captioned := map[string][]byte{
		"good.jpg":                         photo,
		"cut off at nine tenths.jpg":       photo[:len(photo)*9/10],
		"one pixel.png":                    encodePNG(t, image.NewNRGBA(image.Rect(0, 0, 1, 1))),
		"sixteen bits.png":                 encodePNG(t, grey16),
		"alpha.png":                        encodePNG(t, alpha),
		"cmyk.jpg":                         cmyk,
		"a png in disguise.jpg":            encodePNG(t, image.NewGray(image.Rect(0, 0, 9, 9))),
		"new\nline.jpg":                    append(slices.Clone(photo), 1),
		`quotes"and'more.jpg`:              append(slices.Clone(photo), 2),
		"not utf8 \xff\xfe.jpg":            append(slices.Clone(photo), 3),
		strings.Repeat("x", 246) + ".jpg":  append(slices.Clone(photo), 4),
		"sub folder/with space/photo .JPG": append(slices.Clone(photo), 5),
	}
	failed := map[string]struct {
		data []byte
		code string
	}{
		"empty.jpg":              {nil, "empty"},
		"text.jpg":               {[]byte("Dear diary, today I took no photos."), "not-a-picture"},
		"cut off at a third.jpg": {photo[:len(photo)/3], "truncated"},
		"thirty thousand.png":    {hugePNG(t), "too-large"},
		"iphone.heic":            {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), "unsupported"},
		"modern.avif":            {[]byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif"), "unsupported"},
	}
	want := make(map[string]string)
	for name, data := range captioned {
		writeFile(t, filepath.Join(root, name), data)
	}
	for name, f := range failed {
		writeFile(t, filepath.Join(root, name), f.data)
		want[name] = f.code
	}
	if err := os.Symlink("..", filepath.Join(root, "sub folder", "loop")); err != nil {
		t.Fatal(err)
	}

	out := l.must(exitSomeFailed, "index", root)
	if got := l.failures(root); !maps.Equal(got, want) {
		t.Errorf("failures are %v\nwant %v", got, want)
	}
	if s := l.status(); s.Files.Done != len(captioned) || s.Files.Unsupported != 2 || s.Files.Failed != len(failed)-2 {
		t.Errorf("files are %+v, want %d captioned", s.Files, len(captioned))
	}
	for _, say := range []string{"2 in formats that this version does not read", "4 failed", "1 damaged"} {
		if !strings.Contains(out.stdout, say) {
			t.Errorf("index does not say %q:\n%s", say, out.stdout)
		}
	}

	// Mended, they are taken up without being asked for.
	writeFile(t, filepath.Join(root, "text.jpg"), append(slices.Clone(photo), 6))
	l.must(exitSomeFailed, "index", root)
	if got := l.failures(root); got["text.jpg"] != "" {
		t.Errorf("the mended file still fails: %v", got)
	}
	l.must(exitDone, "failures", "--retry")
	if s := l.status(); s.Files.Pending != len(failed)-1 {
		t.Errorf("after failures --retry: %+v, want %d pending", s.Files, len(failed)-1)
	}
}

// unprivileged makes the library's commands run as an ordinary user, also
// where the tests run as root, whom permissions do not stop.
func (l *testLibrary) unprivileged() {
	l.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		l.t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	l.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(filepath.Dir(l.data), uid, gid); err != nil {
		l.t.Fatal(err)
	}
	// The folder that `go test` builds in is root's alone.
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	l.program = filepath.Join(filepath.Dir(l.data), "shoebox")
	copyFile(l.t, self, l.program)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderWithoutPermissionStaysAsItWas(t *testing.T) {
	t.Parallel()
	l := newTestLibrary(t)
	l.unprivileged()
	root := filepath.Join(filepath.Dir(l.data), "photos")
	photo := readSample(t, "grace_hopper.jpg")
	writeFile(t, filepath.Join(root, "open", "1.jpg"), photo)
	writeFile(t, filepath.Join(root, "shut", "2.jpg"), append(slices.Clone(photo), 2))
	writeFile(t, filepath.Join(root, "unreadable.jpg"), append(slices.Clone(photo), 3))
	l.must(exitDone, "index", root)

	shut, unreadable := filepath.Join(root, "shut"), filepath.Join(root, "unreadable.jpg")
	writeFile(t, unreadable, append(slices.Clone(photo), 4, 4))
	for _, path := range []string{shut, unreadable} {
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	if l.user != nil { // the files are root's, and closed to anybody else
		t.Cleanup(func() { os.Chmod(shut, 0o755) })
	}
	out := l.must(exitSomeFailed, "index", root)
	if !strings.Contains(out.stdout, "shut") || !strings.Contains(out.stdout, "permission denied") {
		t.Errorf("index does not name the folder:\n%s", out.stdout)
	}
	s := l.status()
	if s.Files.Done != 2 || s.Files.Missing != 0 || s.Index.Photos != 2 {
		t.Errorf("files are %+v with %d in the index, want the photo in the shut folder kept", s.Files, s.Index.Photos)
	}
	if got := l.failures(root); len(got) != 1 || got["unreadable.jpg"] != "io" {
		t.Errorf("failures are %v, want the unreadable file", got)
	}

	if err := os.Chmod(unreadable, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shut, 0o755); err != nil {
		t.Fatal(err)
	}
	l.must(exitDone, "failures", "--retry")
	l.must(exitDone, "index", root)
}

func TestAnUnmountedDiskDeletesNothing(t *testing.T) {
	l := newTestLibrary(t)
	root := filepath.Join(t.TempDir(), "disk")
	writeFile(t, filepath.Join(root, "1.jpg"), readSample(t, "grace_hopper.jpg"))
	l.must(exitDone, "index", root)
	for _, state := range []string{"empty", "gone"} {
		if state == "empty" {
			os.Remove(filepath.Join(root, "1.jpg"))
		} else {
			os.Remove(root)
		}
		out := l.must(exitFailed, "index", root)
		if !strings.Contains(out.stdout, "Nothing was changed") {
			t.Errorf("%s: index says %s", state, out.stdout)
		}
		if s := l.status(); s.Index.Photos != 1 || s.Files.Done != 1 || s.Folders[0].Present {
			t.Errorf("%s: status is %+v", state, s)
		}
	}
}
