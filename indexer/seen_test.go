package indexer

import (
	"path/filepath"
	"reflect"
	"testing"

	"shoebox/storage"
)

// seen reads what is stored of the model's other answers, by relative path.
func (j *job) seen() map[string]storage.Seen {
	j.t.Helper()
	found := make(map[string]storage.Seen)
	changes, err := j.store.Changes(j.t.Context(), storage.Cursor{}, 10_000)
	if err != nil {
		j.t.Fatal(err)
	}
	for _, c := range changes.Items {
		for _, p := range c.Paths {
			rel, _ := filepath.Rel(j.root, p)
			found[rel] = c.Photo.Seen
		}
	}
	return found
}

// sight is what colours sees in a shade.
func (c *colours) sight(t *testing.T, n int) storage.Seen {
	t.Helper()
	size := c.Size()
	pixels := make([]byte, size.Width*size.Height*3)
	pixels[0], pixels[1] = shade(n).R, shade(n).G
	descriptions, err := (&colours{hash: c.hash}).Describe([][]byte{pixels})
	if err != nil {
		t.Fatal(err)
	}
	return descriptions[0].Seen
}

func TestWhatTheModelSeesIsStoredAndGoesOverToTheSamePixels(t *testing.T) {
	j := newJob(t)
	j.picture("a.png", shade(1), "")
	j.run()
	j.picture("copy.png", shade(1), "")
	j.picture("rated by another program.png", shade(1), "five stars")
	j.run()
	j.picture("alone.png", shade(2), "")
	j.suspect()
	j.run()
	one := j.captioner.sight(t, 1)
	want := map[string]storage.Seen{
		"a.png": one, "copy.png": one, "rated by another program.png": one, "alone.png": j.captioner.sight(t, 2),
	}
	if got := j.seen(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if n := j.captioner.asked.Load(); n != 1 {
		t.Errorf("the model of this process was asked for %d pictures, want 1", n)
	}
	if v, err := j.store.Vocabulary(t.Context(), j.captioner.Hash()); err != nil || !reflect.DeepEqual(v, j.captioner.Vocabulary()) {
		t.Errorf("the vocabulary is %+v, %v", v, err)
	}
}

func TestWhatANewModelSeesReplacesWhatTheOldOneSawAlsoUnderAPersonsCaption(t *testing.T) {
	j := newJob(t)
	j.picture("mine.png", shade(1), "")
	j.picture("the model's.png", shade(2), "")
	j.picture("alone.png", shade(3), "")
	j.run()
	for _, name := range []string{"mine.png", "alone.png"} {
		if err := j.store.EditCaption(t.Context(), j.photo(name), "Mine."); err != nil {
			t.Fatal(err)
		}
	}
	j.picture("with the same pixels.png", shade(1), "five stars")
	j.run() // takes over what the old model saw
	j.captioner.hash = "colours-2"
	if err := j.store.RecordModel(t.Context(), j.captioner.hash, "newer", j.captioner.Vocabulary()); err != nil {
		t.Fatal(err)
	}
	if n, err := j.store.Recaption(t.Context(), j.captioner.hash, false); err != nil || n != 4 {
		t.Fatalf("%d photos are queued, want 4, %v", n, err)
	}
	j.run()
	j.checkCaptions(map[string]string{
		"mine.png": "Mine.", "with the same pixels.png": "Mine.", "alone.png": "Mine.", "the model's.png": shadeCaption(2),
	})
	want := map[string]storage.Seen{
		"mine.png": j.captioner.sight(t, 1), "with the same pixels.png": j.captioner.sight(t, 1),
		"the model's.png": j.captioner.sight(t, 2), "alone.png": j.captioner.sight(t, 3),
	}
	if got := j.seen(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAPhotoCaptionedBeforeWordsWereKeptIsAskedAboutWhenItsPixelsComeAgain(t *testing.T) {
	j := newJob(t)
	j.picture("old.png", shade(1), "")
	j.run()
	j.sql(`DELETE FROM seen`)
	if err := j.store.EditCaption(t.Context(), j.photo("old.png"), "Mine."); err != nil {
		t.Fatal(err)
	}
	j.picture("new.png", shade(1), "five stars")
	j.run()
	j.checkCaptions(map[string]string{"old.png": "Mine.", "new.png": "Mine."})
	want := map[string]storage.Seen{"old.png": {}, "new.png": j.captioner.sight(t, 1)}
	if got := j.seen(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
