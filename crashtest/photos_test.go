package crashtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// most is how many files there are at most; beyond it, folders are deleted.
const most = 1500

// photos are two folders in which somebody does everything that people do to
// their photos. change is for one goroutine, what it made may be asked by others.
type photos struct {
	t       *testing.T
	random  *rand.Rand
	studio  *studio
	roots   []string
	attic   string // beside the roots, where nobody looks
	named   int    // files and folders so far
	changes map[string]int
	halves  int // moments at which half a file was there

	mu    sync.Mutex
	made  map[id]content
	shown map[uint64]bool // pixels that were there to be seen
	// rewritten is told when a photo gets new bytes for the same pixels.
	rewritten func(from, to content)
}

func newPhotos(t *testing.T, dir string, random *rand.Rand) *photos {
	t.Helper()
	p := &photos{
		t: t, random: random, studio: newStudio(t, random), attic: filepath.Join(dir, "attic"),
		roots:   []string{filepath.Join(dir, "camera"), filepath.Join(dir, "scans")},
		changes: make(map[string]int), made: make(map[id]content), shown: make(map[uint64]bool),
		rewritten: func(content, content) {},
	}
	p.must(os.Mkdir(p.attic, 0o755))
	for _, root := range p.roots {
		p.must(os.Mkdir(root, 0o755))
		p.photo(filepath.Join(root, "stays.jpg")) // a folder that is empty may be an unmounted disk
	}
	p.card(50)
	return p
}

func (p *photos) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// change does one thing after another until ctx ends.
func (p *photos) change(ctx context.Context) {
	everything := []struct {
		name  string
		often int
		do    func()
	}{
		{"cards of 10 to 40 photos copied", 12, func() { p.card(10 + p.random.IntN(31)) }},
		{"photos made", 10, func() { p.photo(p.newName()) }},
		{"written slowly", 4, p.writeSlowly},
		{"edited in place", 6, p.editInPlace},
		{"replaced by a rename", 6, p.replace},
		{"given a note", 8, p.note},
		{"renamed or moved", 8, func() { p.must(os.Rename(p.anyFile(), p.newName())) }},
		{"copied", 6, p.copy},
		{"deleted", 6, func() { p.must(os.Remove(p.anyFile())) }},
		{"deleted and put back", 4, p.putBack},
		{"broken", 4, p.breakOne},
		{"broken files made", 3, func() { data, c := p.studio.broken(); p.write(p.newName(), data, c) }},
		{"mended", 4, p.mend},
		{"folders moved or renamed", 4, p.moveFolder},
		{"folders taken away and brought back", 2, p.takeFolderAway},
	}
	total := 0
	for _, one := range everything {
		total += one.often
	}
	for ctx.Err() == nil {
		for len(p.files()) > most {
			p.must(os.RemoveAll(p.anyFolder()))
			p.changes["folders deleted"]++
		}
		at := p.random.IntN(total)
		for _, one := range everything {
			if at -= one.often; at < 0 {
				one.do()
				p.changes[one.name]++
				break
			}
		}
		p.sleep(200 * time.Millisecond)
	}
}

// sleep pauses for up to a time.
func (p *photos) sleep(longest time.Duration) {
	time.Sleep(time.Duration(p.random.Int64N(int64(longest))))
}

// files are the files in both roots that may be changed.
func (p *photos) files() []string {
	var all []string
	for _, root := range p.roots {
		p.must(filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && filepath.Dir(path) != root {
				all = append(all, path)
			}
			return err
		}))
	}
	return all
}

func (p *photos) anyFile() string {
	all := p.files()
	if len(all) == 0 {
		p.card(10)
		all = p.files()
	}
	return all[p.random.IntN(len(all))]
}

// anyFolder is one of those right below the roots.
func (p *photos) anyFolder() string {
	file := p.anyFile()
	for _, root := range p.roots {
		if rel, below := strings.CutPrefix(file, root+"/"); below {
			first, _, _ := strings.Cut(rel, "/")
			return filepath.Join(root, first)
		}
	}
	panic("a file in no root")
}

// newName is a path that was never used, in a folder that is there.
func (p *photos) newName() string {
	p.named++
	return filepath.Join(filepath.Dir(p.anyFile()), fmt.Sprintf("IMG_%05d.jpg", p.named))
}

func (p *photos) newFolder() string {
	p.named++
	return filepath.Join(p.roots[p.random.IntN(len(p.roots))], fmt.Sprintf("folder %d", p.named))
}

// remember notes what a file with this content must become.
func (p *photos) remember(c content) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[c.id] = c
	if c.photo {
		p.shown[c.seen] = true
	}
}

func (p *photos) content(of id) (content, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.made[of]
	return c, ok
}

// read returns a file and what it is.
func (p *photos) read(path string) ([]byte, content) {
	data, err := os.ReadFile(path)
	p.must(err)
	c, ok := p.content(sha256.Sum256(data))
	if !ok {
		p.t.Fatalf("%s is none of the files that were made", path)
	}
	return data, c
}

func (p *photos) write(path string, data []byte, c content) {
	p.remember(c)
	p.must(os.WriteFile(path, data, 0o644))
	p.halves++ // between being emptied and being full
}

// install puts a file in the place of another, as careful programs do.
func (p *photos) install(path string, data []byte, c content) {
	p.remember(c)
	beside := filepath.Join(p.attic, "new")
	p.must(os.WriteFile(beside, data, 0o644))
	p.must(os.Rename(beside, path))
}

func (p *photos) newPhoto() ([]byte, content) {
	data, c, err := p.studio.photo()
	p.must(err)
	return data, c
}

func (p *photos) photo(path string) {
	data, c := p.newPhoto()
	p.write(path, data, c)
}

// card fills new nested folders with new photos.
func (p *photos) card(n int) []content {
	var all []content
	folder := p.newFolder()
	for i := range n {
		dir := filepath.Join(folder, fmt.Sprint(i%3), "DCIM")
		p.must(os.MkdirAll(dir, 0o755))
		data, c := p.newPhoto()
		p.write(filepath.Join(dir, fmt.Sprintf("%d.jpg", i)), data, c)
		all = append(all, c)
	}
	return all
}

func (p *photos) writeSlowly() {
	data, c := p.newPhoto()
	p.remember(c)
	file, err := os.Create(p.newName())
	p.must(err)
	for len(data) > 0 {
		part := data[:min(len(data), 1000)]
		data = data[len(part):]
		_, err = file.Write(part)
		p.must(err)
		p.halves++
		p.sleep(time.Second)
	}
	p.must(file.Close())
}

func (p *photos) editInPlace() {
	data, c := p.newPhoto()
	p.write(p.anyFile(), data, c)
}

func (p *photos) replace() {
	data, c := p.newPhoto()
	p.install(p.anyFile(), data, c)
}

// anyPhoto is a file that is not broken.
func (p *photos) anyPhoto() (string, []byte, content) {
	for {
		path := p.anyFile()
		if data, c := p.read(path); c.photo {
			return path, data, c
		}
	}
}

func (p *photos) note() {
	path, data, before := p.anyPhoto()
	data, c := p.studio.noted(data, before)
	p.rewritten(before, c)
	p.install(path, data, c)
}

func (p *photos) copy() {
	data, c := p.read(p.anyFile())
	p.write(p.newName(), data, c)
}

func (p *photos) putBack() {
	path := p.anyFile()
	away := filepath.Join(p.attic, "away")
	p.must(os.Rename(path, away))
	p.sleep(5 * time.Second)
	p.must(os.Rename(away, path))
}

func (p *photos) breakOne() {
	data, c := p.studio.broken()
	p.write(p.anyFile(), data, c)
}

// mend replaces a broken file, if there is one, by a photo.
func (p *photos) mend() {
	for _, path := range p.files() {
		if _, c := p.read(path); !c.photo {
			p.photo(path)
			return
		}
	}
}

func (p *photos) moveFolder() { p.must(os.Rename(p.anyFolder(), p.newFolder())) }

func (p *photos) takeFolderAway() {
	folder := p.anyFolder()
	away := filepath.Join(p.attic, "folder")
	p.must(os.Rename(folder, away))
	p.sleep(5 * time.Second)
	p.must(os.Rename(away, folder))
}

// disk is what is there now, by path.
func (p *photos) disk() map[string]content {
	all := make(map[string]content)
	for _, root := range p.roots {
		p.must(filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				_, all[path] = p.read(path)
			}
			return err
		}))
	}
	return all
}
