package search

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/search/query"
	"shoebox/storage"
)

// Probabilities of a word for a picture, on either side of the thresholds.
const (
	shows      = 0.6
	likelyShow = 0.15
	mayShow    = 0.01
	hardly     = 1e-5
)

// vocabularyOf makes a model's picture words: for each its stem, then what
// people write for it, all joined by commas. They are equally common.
func vocabularyOf(words ...string) storage.Vocabulary {
	v := storage.Vocabulary{Smallest: 1e-4}
	for _, word := range words {
		stem, forms, _ := strings.Cut(word, ",")
		v.Words = append(v.Words, storage.PictureWord{Stem: stem, Prior: 0.02, Forms: strings.Split(forms, ",")})
	}
	return v
}

// The models of the tests see different things, in different orders.
var (
	firstWords = vocabularyOf("dog,dog,dogs", "snow,snow,snowy", "beach,beach,beaches", "bicycl,bicycle,bicycles",
		"run,running,run,runs", "two,two", "t-shirt,t-shirt,t-shirts", "puppi,puppy,puppies", "man,man")
	secondWords  = vocabularyOf("tree,tree,trees", "snow,snow,snowy", "dog,dog,dogs")
	vocabularies = map[string]storage.Vocabulary{"first": firstWords, "second": secondWords}
)

// seenBy lets a model look at a photo. It hardly sees any other words.
func seenBy(model string, p storage.Photo, seen map[string]float64) storage.Photo {
	v := vocabularies[model]
	p.Seen.Model = model
	p.Seen.Words = make([]byte, len(v.Words))
	for i, word := range v.Words {
		probability, ok := seen[word.Stem]
		if !ok {
			probability = hardly
		}
		p.Seen.Words[i] = v.Evidence(i, probability)
	}
	return p
}

type sees = map[string]float64

func newWordsFeed() *fakeFeed {
	feed := newFakeFeed()
	feed.vocabularies = vocabularies
	return feed
}

// wordsFeed has photos of two models and of none.
func wordsFeed() *fakeFeed {
	feed := newWordsFeed()
	put := func(name, model, caption string, seen sees, change func(*storage.Photo)) {
		p := photo(name, caption)
		if model != "" {
			p = seenBy(model, p, seen)
		}
		if change != nil {
			change(&p)
		}
		feed.put(p, "/photos/"+name+".jpg")
	}
	put("seen", "first", "A cold day.", sees{"snow": shows, "dog": likelyShow}, nil)
	put("may", "first", "A mountain.", sees{"snow": mayShow, "dog": shows}, nil)
	put("said", "first", "A dog in the snow.", sees{"snow": shows, "dog": shows}, nil)
	put("none", "first", "A table.", sees{}, nil)
	put("titled", "first", "A hill.", sees{"snow": shows}, func(p *storage.Photo) { p.Title = "Snow at last" })
	put("other", "second", "A wood.", sees{"tree": shows, "snow": likelyShow}, nil)
	put("oak", "second", "An oak with a squirrel.", sees{"tree": likelyShow}, nil)
	put("unmodelled", "", "Snow on a tree.", nil, nil)
	put("kennel", "", "Two puppies.", nil, nil)
	put("shirt", "first", "A man.", sees{"t-shirt": shows, "man": shows}, nil)
	put("written-shirt", "first", "A man in a T-shirt.", sees{"man": shows}, nil)
	put("rider", "first", "A road.", sees{"bicycl": shows}, nil)
	put("pair", "first", "Animals.", sees{"two": shows, "puppi": shows}, nil)
	return feed
}

// found are the names of the files found, without their endings: those that
// likely show it sorted, then those that possibly do.
func found(r Result) (likely, possible []string) {
	likely, possible = []string{}, []string{}
	for i, name := range names(r) {
		name = strings.TrimSuffix(name, ".jpg")
		if r.Hits[i].Possible {
			possible = append(possible, name)
		} else {
			likely = append(likely, name)
		}
	}
	slices.Sort(likely)
	slices.Sort(possible)
	return likely, possible
}

func TestPictureWordsFindWhatNoCaptionSays(t *testing.T) {
	ix := projected(t, wordsFeed())
	tests := map[string]struct{ query, likely, possible string }{
		"seen and said, by all models and by none":           {"snow", "other said seen titled unmodelled", "may"},
		"another form of the word":                           {"snowy", "other said seen titled unmodelled", "may"},
		"every word has to be seen or said":                  {"dog snow", "said seen", "may"},
		"a word seen and one that no model knows":            {"snow cold", "seen", ""},
		"a word that only one model knows is text elsewhere": {"tree", "oak other unmodelled", ""},
		"a word outside of every vocabulary is text":         {"squirrel", "oak", ""},
		"a phrase is text alone":                             {`"snow"`, "said titled unmodelled", ""},
		"one left out by what it surely shows or says":       {"hill OR mountain OR (cold -snow)", "may titled", ""},
		"what hardly shows the word stays":                   {"(hill OR mountain OR cold) -snow", "may", ""},
		"left out of all":                                    {"-snow", "kennel may none oak other pair rider shirt written-shirt", ""},
		"a word with a hyphen, seen or said":                 {"t-shirt", "shirt written-shirt", ""},
		"a synonym of a picture word":                        {"bike", "rider", ""},
		"a numeral":                                          {"2 puppies", "kennel pair", ""},
		"a word finds its narrower one":                      {"dog two", "kennel", ""},
		"but not the other way round":                        {"puppy", "kennel pair", ""},
		"the beginning of a picture word":                    {"bic*", "rider", ""},
		"a picture word spelled nearly so":                   {"bicicle~", "rider", ""},
		"a filter alone has nothing that is only possible":   {"name:may", "may", ""},
		"a picture word and a filter":                        {"snow name:may", "", "may"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			result := find(t, ix, tt.query, 100)
			likely, possible := found(result)
			if !slices.Equal(likely, strings.Fields(tt.likely)) || !slices.Equal(possible, strings.Fields(tt.possible)) {
				t.Errorf("%s likely finds %v and possibly %v, want %s and %s", tt.query, likely, possible, tt.likely, tt.possible)
			}
			if result.Total != uint64(len(likely)) || result.Possible != uint64(len(possible)) {
				t.Errorf("%d in all and %d possible, but %d and %d hits", result.Total, result.Possible, len(likely), len(possible))
			}
			if i := slices.IndexFunc(result.Hits, func(h Hit) bool { return h.Possible }); i >= 0 && i != len(likely) {
				t.Errorf("possible photos begin at %d, before %d likely ones", i, len(likely))
			}
		})
	}
}

func TestTextOnlyAsksNoPicture(t *testing.T) {
	ix := projected(t, wordsFeed())
	for text, want := range map[string]string{
		"snow":      "said titled unmodelled",
		"-snow":     "kennel may none oak other pair rider seen shirt written-shirt",
		"bike":      "",
		"man -snow": "shirt written-shirt",
		"t-shirt":   "written-shirt",
	} {
		q := parsed(t, text)
		result, err := ix.Search(t.Context(), Request{Query: q, Limit: 100, TextOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		likely, possible := found(result)
		if !slices.Equal(likely, strings.Fields(want)) || len(possible) != 0 {
			t.Errorf("%s finds %v and possibly %v, want %s", text, likely, possible, want)
		}
		for _, hit := range result.Hits {
			for _, why := range hit.Why {
				if strings.Contains(why, "looks like") {
					t.Errorf("%s: %q of a search that asks no picture", text, why)
				}
			}
		}
	}
}

func TestWhySaysByWhatAPhotoWasFound(t *testing.T) {
	feed := wordsFeed()
	p := seenBy("first", photo("holiday", "A place."), sees{"run": shows})
	p.Seen.Others = []storage.OtherCaption{{Text: "A kite in the air."}}
	p.Keywords, p.People = []string{"vacation"}, []string{"Ada"}
	feed.root = "/home/snow/Pictures"
	feed.put(p, "/home/snow/Pictures/Norway 2019/IMG_1.jpg")
	feed.put(seenBy("first", photo("winter", "A place."), sees{"snow": shows}), "/home/snow/Pictures/1.jpg")
	ix := projected(t, feed)
	tests := map[string]struct{ query, name, why string }{
		"by the caption":                      {"hill", "titled", "caption"},
		"by what it looks like":               {"snow", "seen", "looks like: snow"},
		"by the words as they were asked for": {"snowy dogs", "seen", "looks like: snow, dogs"},
		"by a synonym":                        {"bike", "rider", "looks like: bicycle"},
		"by both":                             {"snow mountain", "may", "caption; looks like: snow"},
		"by a title before the picture":       {"snow", "titled", "title, description, keywords or people"},
		"by a keyword and a name":             {"vacation ada", "IMG_1", "title, description, keywords or people"},
		"by a folder":                         {"norway", "IMG_1", "file or folder"},
		"by another caption":                  {"kite", "IMG_1", "another caption"},
		"by a phrase":                         {`"in the snow"`, "said", "caption"},
		"by a filter: nothing to say":         {"name:said", "said", ""},
		"not by a folder above the one that was asked for": {"snow", "1", "looks like: snow"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			result := find(t, ix, tt.query, 100)
			i := slices.Index(names(result), tt.name+".jpg")
			if i < 0 {
				t.Fatalf("%s finds %v", tt.query, names(result))
			}
			if got := strings.Join(result.Hits[i].Why, "; "); got != tt.why {
				t.Errorf("%s finds %s by %q, want %q", tt.query, tt.name, got, tt.why)
			}
		})
	}
}

func TestWhatPeopleWriteComesBeforeTheCaptionAndThatBeforeThePicture(t *testing.T) {
	persons := map[string]func(*storage.Photo) string{
		"an edit":       func(p *storage.Photo) string { p.Text, p.Edited = "Much snow.", true; return "/p/x.jpg" },
		"a title":       func(p *storage.Photo) string { p.Title = "Snow"; return "/p/x.jpg" },
		"a description": func(p *storage.Photo) string { p.Description = "The snow."; return "/p/x.jpg" },
		"a keyword":     func(p *storage.Photo) string { p.Keywords = []string{"winter", "snow"}; return "/p/x.jpg" },
		"a person":      func(p *storage.Photo) string { p.People = []string{"Jon Snow"}; return "/p/x.jpg" },
		"a file's name": func(p *storage.Photo) string { return "/p/snow_01.jpg" },
		"a folder":      func(p *storage.Photo) string { return "/p/Snow2019/x.jpg" },
	}
	for name, write := range persons {
		t.Run(name, func(t *testing.T) {
			feed := newWordsFeed()
			feed.root = "/p"
			// Nothing else decides: the later a photo comes here, the later it was taken.
			seen := seenBy("first", photo("seen", "A hill."), sees{"snow": shows})
			seen.Taken = day(3)
			said := seenBy("first", photo("said", "A hill in the snow."), sees{"snow": shows})
			said.Taken = day(2)
			written := seenBy("first", photo("written", "A hill."), sees{})
			written.Taken = day(1)
			path := write(&written)
			feed.put(seen, "/p/seen.jpg")
			feed.put(said, "/p/said.jpg")
			feed.put(written, path)
			result := find(t, projected(t, feed), "snow", 10)
			var order []string
			for _, hit := range result.Hits {
				order = append(order, hit.Photo)
			}
			if want := []string{written.ID.String(), said.ID.String(), seen.ID.String()}; !slices.Equal(order, want) {
				t.Errorf("snow finds %v of %d, want what is written, then said, then seen", names(result), result.Total)
			}
		})
	}
}

func TestFoldersAboveTheRootAreNoWords(t *testing.T) {
	feed := newWordsFeed()
	feed.root = "/home/snow/Pictures"
	feed.put(photo("1", "A hill."), "/home/snow/Pictures/dog/1.jpg")
	ix := projected(t, feed)
	for text, want := range map[string]uint64{"snow": 0, "dog": 1, "folder:snow": 1, "folder:pictures": 1} {
		if got := find(t, ix, text, 10).Total; got != want {
			t.Errorf("%s finds %d, want %d", text, got, want)
		}
	}
}

func TestAnotherModelMovesAPhoto(t *testing.T) {
	feed := wordsFeed()
	ix := projected(t, feed)
	check := func(when string, wanted map[string]string) {
		t.Helper()
		for text, want := range wanted {
			if likely, _ := found(find(t, ix, text, 100)); !slices.Equal(likely, strings.Fields(want)) {
				t.Errorf("%s, %s finds %v, want %s", when, text, likely, want)
			}
		}
	}
	feed.put(seenBy("second", photo("seen", "A cold day."), sees{"tree": shows}), "/photos/seen.jpg")
	project(t, ix, feed)
	check("seen by the second model", map[string]string{"tree": "oak other seen unmodelled", "snow": "other said titled unmodelled"})
	feed.put(photo("seen", "A cold day."), "/photos/seen.jpg")
	project(t, ix, feed)
	check("seen by none", map[string]string{"tree": "oak other unmodelled", "cold": "seen"})
	feed.put(seenBy("first", photo("seen", "A cold day."), sees{"snow": shows}), "/photos/seen.jpg")
	project(t, ix, feed)
	check("seen by the first again", map[string]string{"tree": "oak other unmodelled", "snow": "other said seen titled unmodelled"})
	feed.put(seenBy("lost", photo("seen", "Some snow."), nil), "/photos/seen.jpg")
	project(t, ix, feed)
	check("seen by one whose words are not known", map[string]string{"snow": "other said seen titled unmodelled"})
	expect(t, ix, feed)
	sameDocuments(t, ix, feed)
}

func TestSynonymsOfAPersonStandBesideTheIndex(t *testing.T) {
	feed := wordsFeed()
	data := t.TempDir()
	dir, own := filepath.Join(data, "search"), filepath.Join(data, "synonyms.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	search := func(text string) []string {
		t.Helper()
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		likely, _ := found(find(t, s, text, 100))
		return likely
	}
	write("# mine\r\nvelo = bicycle\n\noak > timber # one way\nsea front > shore\n")
	if _, err := CatchUp(t.Context(), dir, feed); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"velo": "rider", "velos": "rider", "timber": "oak", "oak": "oak", `"timber"`: "", "bike": "rider",
	} {
		if got := search(text); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s finds %v, want %s", text, got, want)
		}
	}
	for name, line := range map[string]string{
		"one word": "velo", "nothing to find it by": "velo >", "nothing that finds it": "> velo",
		"two ways at once": "velo > bicycle > bike",
	} {
		t.Run("a broken line: "+name, func(t *testing.T) {
			write("a = b\n\n" + line + "\n")
			_, err := Open(t.Context(), dir)
			var use *UseError
			if !errors.As(err, &use) || !strings.Contains(err.Error(), own) || !strings.Contains(err.Error(), "line 3") {
				t.Errorf("Open() = %v, want a UseError with %s and line 3", err, own)
			}
		})
	}
	write("")
	if got := search("velo"); len(got) != 0 {
		t.Errorf("velo finds %v after the synonym was taken out", got)
	}
}

func TestAQuestionThatCannotBeAnsweredIsNoDamage(t *testing.T) {
	feed := wordsFeed()
	ix := projected(t, feed)
	for name, q := range map[string]query.Query{
		"a script that is not indexed":     {Root: query.Word{Text: "ไทย"}},
		"a phrase of it":                   {Root: query.Phrase{Text: "ไทย"}},
		"a camera of it":                   {Root: query.Named{Field: query.Camera, Text: "ไทย"}},
		"an album that was not expanded":   {Root: query.Album{Name: "best"}},
		"something that no photo can have": {Root: query.Has{What: "unicorns"}},
	} {
		var use *UseError
		if _, err := ix.Search(t.Context(), Request{Query: q, Limit: 1}); !errors.As(err, &use) {
			t.Errorf("%s: %v, want a UseError", name, err)
		}
	}
	long := strings.Repeat("verylong", 5000)
	for _, root := range []query.Node{query.Word{Text: long}, query.Prefix{Text: long}, query.Fuzzy{Text: long}} {
		result, err := ix.Search(t.Context(), Request{Query: query.Query{Root: root}, Limit: 1})
		var use *UseError
		if _, fuzzy := root.(query.Fuzzy); fuzzy != errors.As(err, &use) || !fuzzy && err != nil || result.Total != 0 {
			t.Errorf("a %T of %d letters: %d photos, %v", root, len(long), result.Total, err)
		}
	}
	if n := project(t, ix, feed); n != 0 {
		t.Errorf("then %d changes were taken over again", n)
	}
}

// day is noon of a day of January 2020, in no time zone.
func day(n int) storage.Taken {
	return storage.Taken{Clock: time.Date(2020, 1, n, 12, 0, 0, 0, time.UTC)}
}

// sameDocuments fails unless an index holds what NewHit makes of a feed's
// photos, and nothing else: their columns too, which Documents checks.
func sameDocuments(t *testing.T, s Searcher, feed *fakeFeed) {
	t.Helper()
	want := make(map[string]Hit)
	for _, e := range feed.entries {
		if len(e.Paths) > 0 {
			want[e.Photo.ID.String()] = NewHit(e.Change)
		}
	}
	for after := ""; ; {
		page, err := s.Documents(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, got := range page {
			if hit, known := want[got.Photo]; !known || !reflect.DeepEqual(got, hit) {
				t.Errorf("photo %s is there as %+v, want %+v", got.Photo, got, hit)
			}
			delete(want, got.Photo)
		}
		after = page[len(page)-1].Photo
	}
	if len(want) > 0 {
		t.Errorf("%d photos are missing", len(want))
	}
}
