package edits

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"shoebox/storage"
)

type source []storage.Edit

func (s source) Edits(context.Context) iter.Seq2[storage.Edit, error] {
	return func(yield func(storage.Edit, error) bool) {
		for _, e := range s {
			var err error
			if e.Caption == "broken" {
				err = errors.New("the database has gone")
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestEditsAreSavedOncePerDayAndOnlyWhenTheyChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd [name]", "edits")
	day := time.Date(2026, 3, 1, 23, 0, 0, 0, time.Local)
	at := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.FixedZone("", 3600))
	one := source{{Photo: storage.PhotoID{0xab}, Caption: "Bo & <me>.", At: at, Paths: []string{"/a\xff", "/b"}}}
	two := append(slices.Clone(one), storage.Edit{Photo: storage.PhotoID{0xcd}, Caption: "犬", At: at})
	for i, step := range []struct {
		says  string
		days  int // since the first
		edits source
		files int
	}{
		{"no edits, no file", 0, nil, 0},
		{"the first edit", 0, one, 1},
		{"once a day", 0, two, 1},
		{"the next day, changed", 1, two, 2},
		{"unchanged", 2, two, 2},
		{"all undone", 3, nil, 3},
		{"still none", 4, nil, 3},
	} {
		if err := Save(t.Context(), step.edits, dir, day.AddDate(0, 0, step.days)); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); len(got) != step.files {
			t.Fatalf("step %d, %s: files %q, want %d", i, step.says, got, step.files)
		}
	}
	const ab, cd = "ab00000000000000000000000000000000000000000000000000000000000000", "cd00000000000000000000000000000000000000000000000000000000000000"
	for name, want := range map[string]string{
		"2026-03-01.jsonl": `{"photo":"` + ab + `","caption":"Bo & <me>.","edited_at":"2026-02-03T03:05:06.000007Z","paths":["/a` + "\uFFFD" + `","/b"],"paths_b64":["L2H/","L2I="]}` + "\n",
		"2026-03-02.jsonl": `{"photo":"` + ab + `","caption":"Bo & <me>.","edited_at":"2026-02-03T03:05:06.000007Z","paths":["/a` + "\uFFFD" + `","/b"],"paths_b64":["L2H/","L2I="]}` + "\n" +
			`{"photo":"` + cd + `","caption":"犬","edited_at":"2026-02-03T03:05:06.000007Z","paths":[]}` + "\n",
		"2026-03-04.jsonl": "",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want || err != nil {
			t.Errorf("%s holds\n%s, %v, want\n%s", name, got, err, want)
		}
	}
}

func TestTheOldestFilesGo(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range keep + 5 {
		edit := storage.Edit{Caption: day.AddDate(0, 0, i).String()}
		if err := Save(t.Context(), source{edit}, dir, day.AddDate(0, 0, i)); err != nil {
			t.Fatal(err)
		}
	}
	got := names(t, dir)
	if len(got) != keep+1 || got[0] != "2026-01-06.jsonl" || got[keep] != "notes.txt" {
		t.Errorf("files are %q", got)
	}
}

func TestASaveThatFailsLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := Save(t.Context(), source{{Caption: "fine"}, {Caption: "broken"}}, dir, time.Now()); err == nil {
		t.Error("it did not fail")
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}
