package mounted

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestPathsAreTranslatedBothWays(t *testing.T) {
	m := Mounts{"/volume1/photos": "/mnt/nas", "/volume1/photos/old": "/old", "/data": "/"}
	for stored, local := range map[string]string{
		"/volume1/photos":           "/mnt/nas",
		"/volume1/photos/2019/a":    "/mnt/nas/2019/a",
		"/volume1/photos/old/a.jpg": "/old/a.jpg", // the longest
		"/volume1/photos2/a":        "/volume1/photos2/a",
		"/home/me/a":                "/home/me/a",
	} {
		if got := m.Local(stored); got != local {
			t.Errorf("%s is at %s, want %s", stored, got, local)
		}
	}
	for local, stored := range map[string]string{
		"/mnt/nas/2019/a": "/volume1/photos/2019/a",
		"/mnt/nas":        "/volume1/photos",
		"/mnt/nasty":      "/data/mnt/nasty",
	} {
		if got := m.Stored(local); got != stored {
			t.Errorf("%s is stored as %s, want %s", local, got, stored)
		}
	}
	if got := (Mounts{}).Local("/a/"); got != "/a/" {
		t.Errorf("without mounts /a/ is %s", got)
	}
}

func TestMountsAreKeptExactlyWhateverTheirNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "mounts")
	if m, err := Load(file); err != nil || len(m) != 0 {
		t.Errorf("without a file: %v, %v", m, err)
	}
	m := Mounts{"/plain": "/local", "/not utf8 \xff\xfe": "/new\nline \"quoted\"", "/ünï": "/ cöde "}
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file)
	if err != nil || !maps.Equal(got, m) {
		t.Errorf("saved %q, loaded %q, %v", m, got, err)
	}
	for _, broken := range []string{"/plain /local", `"/a"`, `"a" "/b"`, `"/a" "/b" "/c"`} {
		if err := os.WriteFile(file, []byte(broken+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Load(file); err == nil {
			t.Errorf("%s was read as %q", broken, got)
		}
	}
}

func TestTwoFoldersCannotBeAtOnePlace(t *testing.T) {
	m := Mounts{}
	for _, step := range []struct {
		stored, local string
		ok            bool
	}{{"/a", "/x", true}, {"/b", "/x", false}, {"/a", "/y", true}, {"/b", "/x", true}, {"/a", "/a", true}} {
		if err := m.Set(step.stored, step.local); (err == nil) != step.ok {
			t.Errorf("%s at %s: %v", step.stored, step.local, err)
		}
	}
	if want := (Mounts{"/b": "/x"}); !maps.Equal(m, want) {
		t.Errorf("in the end %v", m)
	}
}
