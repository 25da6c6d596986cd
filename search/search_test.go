package search

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/search/query"
	"shoebox/storage"
)

// photo makes a photo whose file is called name.
func photo(name, caption string) storage.Photo {
	p := storage.Photo{ID: sha256.Sum256([]byte(name)), Width: 640, Height: 480}
	p.Text, p.Score = caption, -0.5
	return p
}

// library is what the golden table searches: name, day, camera, caption.
var library = [][4]string{
	{"01", "2019-01-05", "Canon EOS 40D", "Two dogs run through the snow."},
	{"02", "2019-05-12", "Canon EOS 40D", "A brown dog plays in the snow with a ball."},
	{"03", "2019-05-31", "NIKON D90", "A dog is running on the beach."},
	{"04", "2019-06-01", "NIKON D90", "A black cat sleeps on a red chair."},
	{"05", "2019-12-31", "Apple iPhone 15 Pro", "A cat and a dog look out of a window."},
	{"06", "2020-01-01", "Apple iPhone 15 Pro", "Two men in blue shirts stand in a garden."},
	{"07", "2020-02-29", "SONY DSC-RX100M3", "A man in a blue shirt is riding a bicycle."},
	{"08", "2020-03-01", "SONY DSC-RX100M3", "A woman rides her bike down a busy street."},
	{"09", "", "", "Three children play football in a park."},
	{"10", "", "Canon PowerShot A70", "A child's toy lies on the floor."},
	{"11", "2005-07-01", "Canon PowerShot A70", "A group of people sit around a table with food."},
	{"12", "2021-08-15", "", "A boy jumps into a swimming pool."},
	{"13", "2021-08-16", "", "Boys are swimming in a lake."},
	{"14", "2022-10-10", "", "The snow lies on the mountain."},
	{"15", "2022-10-11", "", "A skier jumps in the snow, dogs behind him."},
	{"16", "2022-10-12", "", "A girl wearing a T-shirt drinks coffee at a café."},
	{"17", "2022-11-01", "", "A black-and-white photo of an old building."},
	{"18", "2023-01-01", "", "Dog."},
	{"19", "2023-01-02", "", "A dog, a dog and another dog."},
	{"20", "2023-02-01", "", "A bird flies over the sea."},
	{"21", "2023-02-02", "", "Birds sit on a wire."},
	{"22", "2023-03-01", "", "The man with no hat waits."},
	{"23", "2023-03-02", "", "A man with a hat waits."},
	{"24", "2023-04-01", "", "People walk along a road in the rain."},
	{"25", "2023-04-02", "", "A rainy street at night."},
	{"26", "2023-05-01", "", "A train stands at the station."},
	{"27", "2023-05-02", "", "Trains are training the trainers."},
	{"28", "2023-06-01", "", "An airplane is flying in the blue sky."},
	{"29", "2023-06-02", "", "The sky is blue and the sea is calm."},
	{"30", "2023-07-01", "", "A baby is sleeping in the arms of its mother."},
	{"31", "2023-07-02", "", "Mothers and babies sit on the grass."},
	{"32", "2023-08-01", "", "A horse gallops across a green field."},
	{"33", "2023-08-02", "", "Horses graze in green fields."},
	{"34", "2023-09-01", "", "A chef prepares 3 pizzas in the kitchen."},
	{"35", "2023-09-02", "", "Three pizzas on a table."},
	{"36", "2023-10-01", "", "The the the."},
	{"37", "2023-10-02", "", "snow in dogs the"},
	{"38", "2023-10-03", "", "犬が雪の中を走る"},
	{"39", "2023-10-04", "", "Une voiture rouge — garée devant l’église."},
	{"40", "", "", ""},
}

// libraryFeed is a feed of the library.
func libraryFeed(t *testing.T) *fakeFeed {
	t.Helper()
	feed := newFakeFeed()
	for _, row := range library {
		p := photo(row[0], row[3])
		p.Camera = row[2]
		if row[1] != "" {
			day, err := time.Parse(time.DateOnly, row[1])
			if err != nil {
				t.Fatal(err)
			}
			// Late at night by the camera's clock, in a zone far from UTC.
			offset := -600
			p.Taken = storage.Taken{Clock: day.Add(23*time.Hour + 59*time.Minute), Offset: &offset}
		}
		feed.put(p, "/photos/"+row[0])
	}
	return feed
}

// projected makes an index of a feed, held by this process.
func projected(t *testing.T, feed Feed) *Index {
	t.Helper()
	ix, err := OpenWriter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ix.Close() })
	if _, err := ix.Project(t.Context(), feed); err != nil {
		t.Fatal(err)
	}
	return ix
}

func find(t *testing.T, s Searcher, text string, limit int) Result {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	result, err := s.Search(t.Context(), Request{Query: q, Limit: limit})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return result
}

// names are the files' names of the hits, in order.
func names(r Result) []string {
	found := []string{}
	for _, hit := range r.Hits {
		found = append(found, hit.Paths[0][strings.LastIndexByte(hit.Paths[0], '/')+1:])
	}
	return found
}

func TestGoldenQueries(t *testing.T) {
	ix := projected(t, libraryFeed(t))
	tests := map[string]struct{ query, want string }{
		"a word finds its plural":                     {"bird", "20 21"},
		"a plural finds its word":                     {"birds", "20 21"},
		"running finds run":                           {"running dog", "01 03"},
		"run finds running":                           {"runs", "01 03"},
		"riding finds rides":                          {"riding", "07 08"},
		"capitals do not matter":                      {"DOGS SNOW", "01 02 15 37"},
		"words are joined by AND":                     {"dog cat", "05"},
		"words that never meet find nothing":          {"dog bicycle", ""},
		"an unknown word finds nothing":               {"unicorn", ""},
		"an unknown word is not dropped":              {"dog unicorn", ""},
		"stop words are not required":                 {"two dogs in the snow", "01"},
		"but they are, alone":                         {"the the", "01 02 03 10 14 15 20 22 24 26 27 28 29 30 31 34 36 37"},
		"and beside a filter":                         {"the taken:2022", "14 15"},
		"no is not dropped":                           {"man no hat", "22"},
		"a phrase is in order":                        {`"dogs in the snow"`, ""},
		"a phrase is stemmed":                         {`"plays in the snow"`, "02"},
		"a phrase keeps its stop words":               {`"jumps in the snow"`, "15"},
		"a phrase without its stop words is another":  {`"jumps snow"`, ""},
		"a phrase of stop words":                      {`"in the"`, "02 15 24 28 30 34"},
		"a phrase runs over punctuation":              {`"the snow dogs"`, "15"},
		"a phrase of one word":                        {`"dogs"`, "01 02 03 05 15 18 19 37"},
		"a phrase and a word":                         {`jumping "in the snow"`, "15"},
		"a word left out":                             {"dog -snow", "03 05 18 19"},
		"a phrase left out":                           {`snow -"in the snow"`, "01 14 37"},
		"a stop word left out":                        {"sky -the -unicorn", ""},
		"leaving out what is nowhere":                 {"cat -unicorn", "04 05"},
		"an unknown word with something left out":     {"unicorn -cat", ""},
		"only left out":                               {"-a -the -in -people -mother -on -horses -dogs", "38 39 40"},
		"a possessive, and a synonym":                 {"child", "09 10"},
		"a word with a hyphen":                        {"t-shirt", "16"},
		"a word with hyphens is a phrase":             {"black-and-white", "17"},
		"but its parts need not be":                   {"black white", "17"},
		"an accent":                                   {"café", "16"},
		"an accent in two characters":                 {"cafe\u0301", "16"},
		"a digit is a number":                         {"3 pizzas", "34 35"},
		"a character is a word":                       {"犬 走", "38"},
		"a typographic apostrophe":                    {"l'église", ""},
		"a typographic apostrophe as written":         {"l’église", "39"},
		"training is not a train":                     {`"trains are"`, "27"},
		"a year":                                      {"taken:2019", "01 02 03 04 05"},
		"a month":                                     {"taken:2019-05", "02 03"},
		"a day":                                       {"taken:2020-02-29", "07"},
		"a day by the camera's clock, not by UTC":     {"taken:2020-01-01", "06"},
		"a range of months":                           {"taken:2019-05..2020-02", "02 03 04 05 06 07"},
		"a range of days":                             {"taken:2019-05-13..2020-01-01", "03 04 05 06"},
		"a range within a month":                      {"taken:2019-05-12..2019-05-30", "02"},
		"a range of years":                            {"taken:2005..2019", "01 02 03 04 05 11"},
		"a range that is open behind":                 {"taken:2023-09-02..", "35 36 37 38 39"},
		"a range that is open before":                 {"taken:..2019-05-12", "01 02 11"},
		"a year without photos":                       {"taken:1999", ""},
		"years without photos":                        {"taken:1990..1999", ""},
		"years without photos, something left out":    {"taken:1990..1999 -dog", ""},
		"a date left out keeps the undated":           {"-taken:2005..2023", "09 10 40"},
		"a camera":                                    {"camera:canon", "01 02 10 11"},
		"a camera in capitals":                        {"camera:Nikon", "03 04"},
		"a model":                                     {"camera:rx100m3", "07 08"},
		"a camera's words beside each other":          {`camera:"canon eos"`, "01 02"},
		"a camera's words in another order":           {`camera:"eos canon"`, ""},
		"a camera is not stemmed":                     {"camera:canons", ""},
		"a camera left out":                           {"dog -camera:canon", "03 05 15 18 19 37"},
		"a camera and a date":                         {"camera:canon taken:2019-05", "02"},
		"everything at once":                          {`dog "in the snow" -cat camera:canon taken:2019`, "02"},
		"typographic quotes":                          {`“in the snow” ball`, "02"},
		"a camera's name is not in the caption":       {"canon", ""},
		"a file's name":                               {"01", "01"},
		"the stem of a longer word is not that word":  {"mother", "30 31"},
		"swimming finds swimming, boy finds boys too": {"boy swimming", "12 13"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			result := find(t, ix, tt.query, 100)
			got := names(result)
			if result.Total != uint64(len(got)) {
				t.Errorf("total %d, but %d hits", result.Total, len(got))
			}
			slices.Sort(got)
			if want := strings.Fields(tt.want); !slices.Equal(got, want) {
				t.Errorf("%s finds %v, want %v", tt.query, got, want)
			}
		})
	}
}

func TestRankingIsByRelevanceThenTheLatestThenByPhoto(t *testing.T) {
	ix := projected(t, libraryFeed(t))
	ids := func(r Result) (ids []string) {
		for _, hit := range r.Hits {
			ids = append(ids, hit.Photo)
		}
		return ids
	}
	if got := names(find(t, ix, "dog", 3)); !slices.Equal(got, []string{"37", "19", "18"}) {
		t.Errorf("dog finds %v first, want the latest of the photos that say it", got)
	}
	if none := ids(find(t, ix, "-taken:..2030", 100)); len(none) != 3 || !slices.IsSorted(none) {
		t.Errorf("photos without a date are not in the order of their IDs: %v", none)
	}
	alike := ids(find(t, ix, "taken:2023", 100))
	for n := range len(alike) {
		if got := ids(find(t, ix, "taken:2023", n)); !slices.Equal(got, alike[:n]) {
			t.Errorf("the best %d are %v, not the first of %v", n, got, alike)
		}
	}
	with, without := find(t, ix, "dog snow", 9), find(t, ix, "dog snow taken:2005..", 9)
	if !slices.Equal(ids(with), ids(without)) {
		t.Error("a filter that leaves nothing out changes the order")
	}
}

func TestLimit(t *testing.T) {
	ix := projected(t, libraryFeed(t))
	for _, limit := range []int{0, 1, 3, 1000} {
		result := find(t, ix, "dog", limit)
		if result.Total != 8 || len(result.Hits) != min(limit, 8) {
			t.Errorf("limit %d: %d hits of %d, want %d of 8", limit, len(result.Hits), result.Total, min(limit, 8))
		}
	}
}

func TestMarksShowTheWordsOfTheQuery(t *testing.T) {
	ix := projected(t, libraryFeed(t))
	tests := map[string]struct{ query, want string }{
		"a stem":                          {"runs dogs beach", "A [dog] is [running] on the [beach]."},
		"every occurrence":                {"dog cat window", "A [cat] and a [dog] look out of a [window]."},
		"a stop word is not asked for":    {"two dogs in the snow", "[Two] [dogs] run through the [snow]."},
		"a phrase in one":                 {`"dog plays in the snow"`, "A brown [dog plays in the snow] with a ball."},
		"a phrase only where it stands":   {`"the sea"`, "A bird flies over [the sea]."},
		"a word with hyphens":             {"black-and-white", "A [black-and-white] photo of an old building."},
		"nothing that was left out":       {"cat -dog", "A black [cat] sleeps on a red chair."},
		"nothing for a camera and a date": {"camera:iphone taken:2019", "A cat and a dog look out of a window."},
		"other than ASCII":                {"café", "A girl wearing a T-shirt drinks coffee at a [café]."},
		"what overlaps in one":            {`"brown dog" "dog plays"`, "A [brown dog plays] in the snow with a ball."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			result := find(t, ix, tt.query, 100)
			var got []string
			for _, hit := range result.Hits {
				text, end := "", 0
				for _, m := range hit.Marks {
					text += hit.Caption[end:m.Start] + "[" + hit.Caption[m.Start:m.End] + "]"
					end = m.End
				}
				got = append(got, text+hit.Caption[end:])
			}
			if !slices.Contains(got, tt.want) {
				t.Errorf("%s marks %q, want %q among them", tt.query, got, tt.want)
			}
		})
	}
}

func TestAWordOfAScriptThatIsNotIndexedIsRefused(t *testing.T) {
	ix := projected(t, libraryFeed(t))
	for _, text := range []string{"ไทย", "dog -ไทย", "camera:ไทย", `"ไทย"`} {
		q, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if result, err := ix.Search(t.Context(), Request{Query: q, Limit: 10}); err == nil {
			t.Errorf("%s finds %v", text, names(result))
		}
	}
}

func TestHitJSON(t *testing.T) {
	offset, lat, lon := 120, 48.85, 2.35
	full := photo("x", "A <dog> & a cat.")
	full.Unsure, full.Camera = true, "Canon EOS 40D"
	full.Taken = storage.Taken{Clock: time.Date(2019, 5, 12, 18, 30, 0, 0, time.UTC), Offset: &offset}
	full.Location = &storage.Location{Lat: lat, Lon: lon}
	noZone := photo("x", "c")
	noZone.Taken = storage.Taken{Clock: time.Date(2019, 5, 12, 18, 30, 0, 0, time.UTC)}
	crafted := photo("x", "c")
	crafted.Score, crafted.Location = math.NaN(), &storage.Location{Lat: math.Inf(1), Lon: 0}
	id := full.ID.String()
	tests := map[string]struct {
		change storage.Change
		want   string
	}{
		"everything known": {
			storage.Change{Photo: full, Paths: []string{"/a&b.jpg", "/c.jpg"}},
			`{"path":"/a&b.jpg","paths":["/a&b.jpg","/c.jpg"],"caption":"A <dog> & a cat.","unsure":true,"score":-0.5,` +
				`"taken_at":"2019-05-12T18:30:00+02:00","camera":"Canon EOS 40D","lat":48.85,"lon":2.35,` +
				`"width":640,"height":480,"photo":"` + id + `"}`,
		},
		"an unknown zone": {
			storage.Change{Photo: noZone, Paths: []string{"/a"}},
			`{"path":"/a","paths":["/a"],"caption":"c","unsure":false,"score":-0.5,"taken_at":"2019-05-12T18:30:00-00:00",` +
				`"width":640,"height":480,"photo":"` + id + `"}`,
		},
		"numbers that are none": {
			storage.Change{Photo: crafted, Paths: []string{"/a"}},
			`{"path":"/a","paths":["/a"],"caption":"c","unsure":false,"score":0,"width":640,"height":480,"photo":"` + id + `"}`,
		},
		"a first path that is not UTF-8": {
			storage.Change{Photo: photo("x", "c"), Paths: []string{"/a\xff\xfeb", "/é"}},
			`{"path":"/a` + "\uFFFD" + `b","path_b64":"L2H//mI=","paths":["/a` + "\uFFFD" + `b","/é"],"paths_b64":["L2H//mI=","L8Op"],` +
				`"caption":"c","unsure":false,"score":-0.5,"width":640,"height":480,"photo":"` + id + `"}`,
		},
		"another path that is not UTF-8": {
			storage.Change{Photo: photo("x", "c"), Paths: []string{"/é", "/\xff"}},
			`{"path":"/é","paths":["/é","/` + "\uFFFD" + `"],"paths_b64":["L8Op","L/8="],` +
				`"caption":"c","unsure":false,"score":-0.5,"width":640,"height":480,"photo":"` + id + `"}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			feed := newFakeFeed()
			feed.put(tt.change.Photo, tt.change.Paths...)
			hits := find(t, projected(t, feed), "-unicorn", 1).Hits
			if len(hits) != 1 || !slices.Equal(hits[0].Paths, tt.change.Paths) {
				t.Fatalf("found %+v, want one with the paths %q", hits, tt.change.Paths)
			}
			var got strings.Builder
			e := json.NewEncoder(&got)
			e.SetEscapeHTML(false)
			if err := e.Encode(hits[0]); err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(got.String()) != tt.want {
				t.Errorf("JSON is\n%swant\n%s", got.String(), tt.want)
			}
		})
	}
}

func TestManyGoroutinesSearchWhileOneProjects(t *testing.T) {
	feed := newFakeFeed()
	ix := projected(t, feed)
	ctx, stop := context.WithCancel(t.Context())
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() {
			var err error
			for ctx.Err() == nil && err == nil {
				_, err = ix.Search(context.Background(), Request{Query: query.Query{Root: query.Word{Text: "dog"}}, Limit: 10})
			}
			errs <- err
		}()
	}
	for i := range 20 {
		feed.put(photo(fmt.Sprint(i), "A dog."), fmt.Sprintf("/%d", i))
		if i == 10 {
			if _, err := ix.Rebuild(t.Context(), feed); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := ix.Project(t.Context(), feed); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := find(t, ix, "dog", 0).Total; got != 20 {
		t.Errorf("%d photos found, want 20", got)
	}
}
