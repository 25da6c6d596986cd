package web_test

import (
	"bytes"
	"crypto/sha256"
	"image"
	_ "image/jpeg"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoebox/storage"
)

// rename has storage know a photo's file by another name, as a worker would
// after a scan.
func (s *site) rename(from, to string) error {
	ctx := s.t.Context()
	folders, err := s.store.Folders(ctx)
	if err != nil {
		return err
	}
	id := folders[0].ID
	changes := storage.ScanChanges{Upserts: []storage.FileStat{{Path: to, Size: 1, ModTime: 1}}}
	for file, err := range s.store.KnownFiles(ctx, id) {
		if err != nil {
			return err
		}
		if file.Path == from {
			changes.Missing = append(changes.Missing, file.ID)
		}
	}
	if err := s.store.ApplyScan(ctx, id, changes); err != nil {
		return err
	}
	owner := storage.Owner{Machine: "test", PID: 2, StartedAt: 1}
	claims, err := s.store.Claim(ctx, owner, []int64{id}, 1, leaseTime)
	if err != nil {
		return err
	}
	_, err = s.store.Commit(ctx, owner, []storage.Result{{Claim: claims[0], PhotoID: s.ids[from]}})
	return err
}

func (s *site) file(name, kind string) string { return "/photos/" + s.ids[name].String() + "/" + kind }

func TestSmallPicturesKeepTheirShape(t *testing.T) {
	s := newSite(t)
	cases := []struct {
		name, kind    string
		width, height int
	}{
		{"china.jpg", "thumb", 400, 267},
		{"china.jpg", "preview", 640, 427}, // never larger than the photo
		{"astronaut.jpg", "thumb", 400, 400},
		{"coffee.png", "thumb", 400, 267},
		{"<b>bold é.heic", "preview", 451, 300},
	}
	for _, c := range cases {
		t.Run(c.name+" "+c.kind, func(t *testing.T) {
			a := s.get(s.file(c.name, c.kind))
			config, format, err := image.DecodeConfig(bytes.NewReader(a.body))
			if err != nil || format != "jpeg" || a.Header.Get("Content-Type") != "image/jpeg" {
				t.Fatalf("answers %d %s %s: %v", a.StatusCode, a.Header.Get("Content-Type"), format, err)
			}
			if config.Width != c.width || config.Height != c.height {
				t.Errorf("it is %dx%d, want %dx%d", config.Width, config.Height, c.width, c.height)
			}
		})
	}
}

func TestASmallPictureIsMadeOnce(t *testing.T) {
	s := newSite(t)
	first := s.get(s.file("china.jpg", "thumb"))
	id := s.ids["china.jpg"].String()
	kept := filepath.Join(s.config.Data, "thumbs", id[:2], id[2:4], id+"-400.jpg")
	if data, err := os.ReadFile(kept); err != nil || !bytes.Equal(data, first.body) {
		t.Fatalf("it is not kept: %v", err)
	}
	s.must(os.Remove(filepath.Join(s.photos, "china.jpg")))
	if again := s.get(s.file("china.jpg", "thumb")); !bytes.Equal(again.body, first.body) {
		t.Errorf("without the photo it is %d", again.StatusCode)
	}
	s.refused(s.get(s.file("china.jpg", "preview")), 404, "file_missing")
	s.refused(s.get(s.file("china.jpg", "original")), 404, "file_missing")
}

func TestOriginalsAreTheBytesOfTheFile(t *testing.T) {
	s := newSite(t)
	for name, kind := range map[string]string{"china.jpg": "image/jpeg", "coffee.png": "image/png", "<b>bold é.heic": "image/heic"} {
		a := s.get(s.file(name, "original"))
		if storage.PhotoID(sha256.Sum256(a.body)) != s.ids[name] || a.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %d, %d bytes of %s", name, a.StatusCode, len(a.body), a.Header.Get("Content-Type"))
		}
		shown, parameters, err := mime.ParseMediaType(a.Header.Get("Content-Disposition"))
		if err != nil || shown != "inline" || parameters["filename"] != name {
			t.Errorf("%s is saved by %q: %v", name, a.Header.Get("Content-Disposition"), err)
		}
		saved, _, _ := mime.ParseMediaType(s.get(s.file(name, "original") + "?download=1").Header.Get("Content-Disposition"))
		if saved != "attachment" {
			t.Errorf("%s is to be saved as %q", name, saved)
		}
		if policy := a.Header.Get("Content-Security-Policy"); policy != "default-src 'none'; sandbox" {
			t.Errorf("the policy of an original is %q", policy)
		}
	}
}

func TestRangesAndCachesWork(t *testing.T) {
	s := newSite(t)
	path := s.file("china.jpg", "original")
	whole := s.get(path)
	part := s.get(path, header("Range", "bytes=100-199"))
	if part.StatusCode != 206 || !bytes.Equal(part.body, whole.body[100:200]) {
		t.Errorf("a range is answered %d with %d bytes", part.StatusCode, len(part.body))
	}
	if beyond := s.get(path, header("Range", "bytes=99999999-")); beyond.StatusCode != 416 {
		t.Errorf("a range beyond the end is answered %d", beyond.StatusCode)
	}
	for _, kind := range []string{"thumb", "preview", "original"} {
		first := s.get(s.file("china.jpg", kind))
		if got := first.Header.Get("Cache-Control"); got != "private, max-age=31536000, immutable" {
			t.Errorf("%s is cached by %q", kind, got)
		}
		again := s.get(s.file("china.jpg", kind), header("If-None-Match", first.Header.Get("ETag")))
		if again.StatusCode != 304 || len(again.body) != 0 {
			t.Errorf("%s that is known is answered %d", kind, again.StatusCode)
		}
	}
	for _, path := range []string{"/api/search", "/api/photos/" + s.ids["china.jpg"].String(), "/", "/nothing"} {
		if got := s.get(path).Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s is cached by %q", path, got)
		}
	}
	name := s.asset()
	css := s.get(name)
	if css.Header.Get("Cache-Control") != "no-cache" || css.Header.Get("ETag") == "" {
		t.Errorf("a file of a page is cached by %q", css.Header.Get("Cache-Control"))
	}
	hashed := s.get(name + "?v=" + strings.Trim(css.Header.Get("ETag"), `"`))
	if !strings.Contains(hashed.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("with its hash it is cached by %q", hashed.Header.Get("Cache-Control"))
	}
}

func TestAnAddressNeverGivesAnotherContent(t *testing.T) {
	s := newSite(t)
	s.write("china.jpg", []byte("<html><script>alert(1)</script></html>"))
	for _, kind := range []string{"thumb", "preview", "original"} {
		a := s.get(s.file("china.jpg", kind))
		s.refused(a, 410, "file_changed")
	}
	// Another file with the same content will do.
	data, err := os.ReadFile(filepath.Join(s.photos, "coffee.png"))
	s.must(err)
	s.write("zcopy.png", data)
	s.must(s.rename("coffee.png", "zcopy.png"))
	if a := s.get(s.file("coffee.png", "original")); a.StatusCode != 200 || !bytes.Equal(a.body, data) {
		t.Errorf("the copy is answered %d", a.StatusCode)
	}
}

func TestWhatTookTheFilesPlaceIsNotReadForEver(t *testing.T) {
	s := newSite(t)
	path := filepath.Join(s.photos, "china.jpg")
	s.must(os.Remove(path))
	s.must(os.Mkdir(path, 0o700))
	s.refused(s.get(s.file("china.jpg", "original")), 404, "file_missing")
	s.must(os.Remove(path))
	s.must(makePipe(path))
	s.refused(s.get(s.file("china.jpg", "thumb")), 404, "file_missing")
}
