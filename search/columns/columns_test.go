package columns

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"shoebox/storage"
)

// record makes the record of a photo with words random words of a model.
func record(random *rand.Rand, n int, model string, words int) Placed {
	p := Placed{IsNew: true, Record: Record{
		Photo: sha256.Sum256(fmt.Append(nil, n)), Flags: HasPlace, Taken: int64(n) * 86400,
		FileName: fmt.Sprintf("IMG_%05d.JPG", n), Folder: fmt.Sprintf("/photos/%d", n/100),
		Camera: []string{"", "Canon EOS 40D", "NIKON D90"}[n%3], Lens: "50mm",
		Lat: random.Float64()*180 - 90, Lon: random.Float64()*360 - 180,
		ISO: n, ExposureTime: 1 / float64(n+1), FNumber: 2.8, FocalLength: 35, Width: n, Height: n + 1,
		Model: model, Words: make([]byte, words),
	}}
	for i := range p.Words {
		p.Words[i] = byte(random.Uint32())
	}
	return p
}

// put writes records and commits them, as package search does.
func put(t *testing.T, c *Columns, records []Placed) State {
	t.Helper()
	w := c.Writer()
	if err := errors.Join(w.Put(records), w.Sync()); err != nil {
		t.Fatal(err)
	}
	w.Publish()
	return w.State()
}

func open(t *testing.T, dir string, state State, readOnly bool) *Columns {
	t.Helper()
	c, err := Open(dir, state, readOnly)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// expect fails unless the columns hold just these records.
func expect(t *testing.T, c *Columns, want []Placed) {
	t.Helper()
	view := c.View()
	cameras, err := view.Names(Cameras)
	if err != nil {
		t.Fatal(err)
	}
	folders, err := view.Names(Folders)
	if err != nil {
		t.Fatal(err)
	}
	live := 0
	for _, b := range view.Blocks {
		var bits Bits
		bits.OrAtLeast(b.Flags(), 1, nil)
		live += bits.Count()
	}
	if live != len(want) {
		t.Errorf("%d photos, want %d", live, len(want))
	}
	for _, r := range want {
		b, i := view.At(r.Slot)
		if b == nil {
			t.Fatalf("slot %d is not in use", r.Slot)
		}
		if b.Photos()[i] != r.Photo || b.Flags()[i] != r.Flags|Present || b.Taken()[i] != r.Taken ||
			cameras[b.Cameras()[i]] != r.Camera || folders[b.Folders()[i]] != r.Folder ||
			b.ISOs()[i] != uint32(r.ISO) || b.Exposures()[i] != float32(r.ExposureTime) ||
			b.SortNames()[i] != SortName(r.FileName) || b.Model != r.Model {
			t.Fatalf("slot %d holds other facts than were put there", r.Slot)
		}
		for word := range r.Words {
			if b.Word(word)[i] != r.Words[word] {
				t.Fatalf("slot %d, word %d: %d, want %d", r.Slot, word, b.Word(word)[i], r.Words[word])
			}
		}
		if got := b.Checksum(i); got != r.Checksum {
			t.Fatalf("slot %d has the checksum %x, want %x", r.Slot, got, r.Checksum)
		}
	}
}

func TestWhatIsPutIsReadAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	c := open(t, dir, State{}, false)
	var all []Placed
	var state State
	for n := range 5 { // batches, of two models and of none in turn
		var batch []Placed
		for i := range 300 {
			switch (n + i) % 3 {
			case 0:
				batch = append(batch, record(random, n*300+i, "one", 7))
			case 1:
				batch = append(batch, record(random, n*300+i, "two", 3))
			default:
				batch = append(batch, record(random, n*300+i, "", 0))
			}
		}
		state = put(t, c, batch)
		all = append(all, batch...)
	}
	expect(t, c, all)
	expect(t, open(t, dir, state, true), all)
	if len(c.View().Blocks) != 3 {
		t.Errorf("%d blocks, want one for each model and one for none", len(c.View().Blocks))
	}

	t.Run("after changes in place, moves to another model and removals", func(t *testing.T) {
		for i := range all {
			changed := record(random, i, all[i].Model, len(all[i].Words))
			changed.Photo, changed.Slot, changed.IsNew = all[i].Photo, all[i].Slot, false
			if i%5 == 0 {
				changed.Model, changed.Words = "two", []byte{1, 2, 3}
			}
			all[i] = changed
		}
		put(t, c, all)
		if err := c.Writer().Remove([]Slot{all[0].Slot, all[17].Slot}); err != nil {
			t.Fatal(err)
		}
		all = slices.Delete(slices.Delete(all, 17, 18), 0, 1)
		expect(t, c, all)
	})
}

func TestABlockThatIsFullIsFollowedByAnother(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	c := open(t, t.TempDir(), State{}, false)
	var all []Placed
	for n := range BlockSize + 10 {
		all = append(all, record(random, n, "one", 1))
	}
	put(t, c, all)
	if blocks := c.View().Blocks; len(blocks) != 2 || blocks[0].Slots != BlockSize || blocks[1].Slots != 10 {
		t.Fatalf("%d blocks", len(blocks))
	}
	expect(t, c, all)
}

func TestWhatWasNotCommittedIsWrittenAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	dir := t.TempDir()
	c := open(t, dir, State{}, false)
	first := []Placed{record(random, 1, "one", 4), record(random, 2, "one", 4)}
	committed := put(t, c, first)
	put(t, c, []Placed{record(random, 3, "one", 4), record(random, 4, "two", 2)})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// As if the process had been killed before the second commit.
	c = open(t, dir, committed, false)
	expect(t, c, first)
	again := []Placed{record(random, 5, "one", 4), record(random, 6, "three", 3)}
	put(t, c, again)
	expect(t, c, append(first, again...))
}

func TestReadersSeeWhatWasPublished(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	c := open(t, t.TempDir(), State{}, false)
	first := []Placed{record(random, 1, "one", 4)}
	put(t, c, first)
	before := c.View()
	if err := c.Writer().Put([]Placed{record(random, 2, "one", 4)}); err != nil {
		t.Fatal(err)
	}
	if c.View().Blocks[0].Slots != 1 || before.Blocks[0].Slots != 1 {
		t.Error("a record is seen before it was published")
	}
	c.Writer().Publish()
	if c.View().Blocks[0].Slots != 2 || before.Blocks[0].Slots != 1 {
		t.Error("a record is not seen once it was published, or by a view from before")
	}
}

func TestFilesOfAnotherStateAreDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	tests := map[string]func(dir string, state *State) error{
		"a block that is missing":      func(dir string, _ *State) error { return os.Remove(filepath.Join(dir, "block-00000")) },
		"a block that was cut off":     func(dir string, _ *State) error { return os.Truncate(filepath.Join(dir, "block-00000"), 9000) },
		"a header overwritten by junk": func(dir string, _ *State) error { return junk(filepath.Join(dir, "block-00000")) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := open(t, dir, State{}, false)
			state := put(t, c, []Placed{record(random, 1, "one", 4)})
			if err := errors.Join(c.Close(), damage(dir, &state)); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, state, true); !errors.Is(err, ErrDamaged) {
				t.Errorf("Open() = %v, want ErrDamaged", err)
			}
		})
	}
	for name, change := range map[string]func(b *BlockState){
		"a block of another model":    func(b *BlockState) { b.Model = "two" },
		"a block of other words":      func(b *BlockState) { b.Words = 5 },
		"more slots than a block has": func(b *BlockState) { b.Slots = BlockSize + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			state := put(t, open(t, dir, State{}, false), []Placed{record(random, 1, "one", 4)})
			change(&state.Blocks[0])
			if _, err := Open(dir, state, true); !errors.Is(err, ErrDamaged) {
				t.Errorf("Open() = %v, want ErrDamaged", err)
			}
		})
	}
	t.Run("names that are missing", func(t *testing.T) {
		dir := t.TempDir()
		state := put(t, open(t, dir, State{}, false), []Placed{record(random, 1, "one", 4)})
		if err := os.Remove(filepath.Join(dir, "cameras")); err != nil {
			t.Fatal(err)
		}
		state.Names[Cameras]++
		if _, err := open(t, dir, state, true).View().Names(Cameras); !errors.Is(err, ErrDamaged) {
			t.Errorf("Names() = %v, want ErrDamaged", err)
		}
	})
}

func junk(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt([]byte("junkjunk"), 0)
	return errors.Join(err, file.Close())
}

func TestBitsOfTheBytesThatAreEnough(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for _, length := range []int{0, 1, 7, 8, 9, 63, 64, 65, 1000} {
		column := make([]byte, length)
		for i := range column {
			column[i] = byte(random.Uint32())
		}
		for least := range 256 {
			var got, want Bits
			got.OrAtLeast(column, byte(least), nil)
			for place, b := range column {
				if int(b) >= least {
					want.Set(place)
				}
			}
			if got != want {
				t.Fatalf("of %d bytes those of at least %d: wrong bits", length, least)
			}
			var of, some Bits
			of.Set(int(random.Uint32N(1000)))
			some.OrAtLeast(column, byte(least), &of)
			some.And(&of)
			if want.And(&of); some != want {
				t.Fatalf("of %d bytes those of at least %d, of some: wrong bits", length, least)
			}
		}
	}
}

func TestBitsLikeSets(t *testing.T) {
	var a, b Bits
	for _, place := range []int{0, 5, 64, BlockSize - 1} {
		a.Set(place)
	}
	b.Set(5)
	b.Set(6)
	places := func(bits Bits) (all []int) {
		bits.Each(func(place int) { all = append(all, place) })
		return all
	}
	and, or, not := a, a, a
	and.And(&b)
	or.Or(&b)
	not.AndNot(&b)
	if got := places(and); !slices.Equal(got, []int{5}) {
		t.Errorf("and: %v", got)
	}
	if got := places(or); !slices.Equal(got, []int{0, 5, 6, 64, BlockSize - 1}) || or.Count() != 5 {
		t.Errorf("or: %v", got)
	}
	if got := places(not); !slices.Equal(got, []int{0, 64, BlockSize - 1}) {
		t.Errorf("and not: %v", got)
	}
}

func BenchmarkOrAtLeast(b *testing.B) {
	column := make([]byte, BlockSize)
	for i := range column {
		column[i] = byte(i * 7)
	}
	b.SetBytes(BlockSize)
	for b.Loop() {
		var bits Bits
		bits.OrAtLeast(column, 200, nil)
	}
}

// BenchmarkPut writes batches of new photos with as many words as the shipped
// model has.
func BenchmarkPut(b *testing.B) {
	random := rand.New(rand.NewPCG(13, 14))
	c, err := Open(b.TempDir(), State{}, false)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	records := make([]Placed, 1000)
	for i := range records {
		records[i] = record(random, i, "one", 1521)
	}
	for b.Loop() {
		for i := range records {
			records[i].IsNew = true
			records[i].Photo = storage.PhotoID(sha256.Sum256(records[i].Photo[:]))
		}
		if err := c.Writer().Put(records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/photo")
}
