package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// check compares disk, Postgres and search.
type check struct {
	fleet    *fleet
	database *database
	photos   *photos
	people   *people
}

// settle waits until there are no differences, and fails with those that are
// left when it has waited too long.
func (c *check) settle(t *testing.T, limit time.Duration) {
	t.Helper()
	var differences []string
	for deadline := time.Now().Add(limit); ; time.Sleep(500 * time.Millisecond) {
		var err error
		if differences, err = c.differences(t.Context()); err != nil {
			differences = []string{err.Error()}
		}
		if len(differences) == 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
	}
	differences = slices.Insert(differences[:min(len(differences), 20)], 0, fmt.Sprintf("%d differences after %s:", len(differences), limit))
	t.Fatal(strings.Join(differences, "\n"))
}

func (c *check) differences(ctx context.Context) ([]string, error) {
	disk := c.photos.disk()
	rows, err := c.database.presentFiles(ctx)
	if err != nil {
		return nil, err
	}
	found := compareFiles(disk, rows)
	counts, err := c.database.miscounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, count := range counts {
		found = append(found, fmt.Sprintf("%s: %d more than were counted", count.What, count.N))
	}
	edits, err := c.database.edits(ctx)
	if err != nil {
		return nil, err
	}
	found = append(found, c.people.compare(edits, disk)...)
	hits, err := c.search()
	if err != nil {
		return nil, err
	}
	return append(found, compareSearch(disk, rows, hits)...), nil
}

// compareFiles says what Postgres has otherwise than the disk.
func compareFiles(disk map[string]content, rows []fileRow) (found []string) {
	known := make(map[string]bool)
	for _, row := range rows {
		path := row.path()
		c, there := disk[path]
		known[path] = true
		code := ""
		if row.Code != nil {
			code = *row.Code
		}
		switch {
		case !there:
			found = append(found, path+" is gone, and present in Postgres")
		case c.photo && row.State != "done":
			found = append(found, fmt.Sprintf("%s is a photo, and %s %s", path, row.State, code))
		case c.photo && (id(row.Photo) != c.id || row.Caption == nil || *row.Caption == ""):
			found = append(found, fmt.Sprintf("%s has the photo %x, want %x", path, row.Photo, c.id))
		case !c.photo && row.State != "failed":
			found = append(found, fmt.Sprintf("%s is no photo, and %s", path, row.State))
		case !c.photo && code != "not-a-picture" && code != "truncated" && code != "damaged":
			found = append(found, fmt.Sprintf("%s is no photo, and failed because of %s", path, code))
		case row.Suspect || row.Retries || row.Recaption:
			found = append(found, fmt.Sprintf("%s is still suspect (%t), to be tried again (%t) or anew (%t)", path, row.Suspect, row.Retries, row.Recaption))
		}
	}
	for path := range disk {
		if !known[path] {
			found = append(found, path+" is not known to Postgres")
		}
	}
	return found
}

// compare says which edits are not there.
func (p *people) compare(rows []editRow, disk map[string]content) (found []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stands := make(map[id]string)
	for _, row := range rows {
		stands[id(row.Photo)] = row.Caption
		if !row.Noted {
			found = append(found, fmt.Sprintf("%x has the caption of a person, who is not noted", row.Photo))
		}
	}
	for photo, text := range p.edits {
		if stands[photo] != text {
			found = append(found, fmt.Sprintf("%x should have the caption %q, and a person's is %q", photo, text, stands[photo]))
		}
	}
	for path, c := range disk {
		if p.carried[c.id] && !p.texts[c.seen][stands[c.id]] {
			found = append(found, fmt.Sprintf("%s shows pixels whose caption a person wrote, and has %q of a person", path, stands[c.id]))
		}
	}
	return found
}

// hit is a line of `search --json`.
type hit struct {
	Photo   string
	Paths   []string
	Caption string
}

// search asks for all photos.
func (c *check) search() ([]hit, error) {
	cmd := c.fleet.command("search", "--json", "--limit=1000000", "camera:"+camera)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("search: %w\n%s", err, stderr.String())
	}
	var all []hit
	for lines := json.NewDecoder(bytes.NewReader(out)); ; {
		var one hit
		err := lines.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
}

// compareSearch says what search shows otherwise than the disk and Postgres.
func compareSearch(disk map[string]content, rows []fileRow, hits []hit) (found []string) {
	paths := make(map[string][]string) // by photo
	for path, c := range disk {
		if c.photo {
			photo := fmt.Sprintf("%x", c.id)
			paths[photo] = append(paths[photo], path)
		}
	}
	captions := make(map[string]string)
	for _, row := range rows {
		if row.Caption != nil {
			captions[fmt.Sprintf("%x", row.Photo)] = *row.Caption
		}
	}
	for _, h := range hits {
		want, there := paths[h.Photo]
		slices.Sort(want)
		switch {
		case !there:
			found = append(found, fmt.Sprintf("search shows %s, which is gone", h.Paths))
		case !slices.Equal(h.Paths, want):
			found = append(found, fmt.Sprintf("search shows a photo as %s, it is %s", h.Paths, want))
		case h.Caption != captions[h.Photo]:
			found = append(found, fmt.Sprintf("search shows %s with the caption %q, Postgres has %q", h.Paths, h.Caption, captions[h.Photo]))
		}
		delete(paths, h.Photo)
	}
	for _, missing := range paths {
		found = append(found, fmt.Sprintf("search does not show %s", missing))
	}
	return found
}
