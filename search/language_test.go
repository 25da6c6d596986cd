package search

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/search/query"
	"shoebox/storage"
)

// factsFeed has photos with all that cameras and people write into files, of
// several files each.
func factsFeed() *fakeFeed {
	feed := newWordsFeed()
	feed.root = "/home/ada/Pictures"
	put := func(name string, change func(*storage.Photo), paths ...string) {
		p := photo(name, "A picture called "+name+".")
		p.Taken = storage.Taken{}
		change(&p)
		for i, path := range paths {
			paths[i] = feed.root + "/" + path
		}
		feed.put(p, paths...)
	}
	at := func(lat, lon float64) *storage.Location { return &storage.Location{Lat: lat, Lon: lon} }
	clock := func(text string) storage.Taken {
		moment, err := time.Parse(time.DateTime, text)
		if err != nil {
			panic(err)
		}
		return storage.Taken{Clock: moment}
	}
	put("paris", func(p *storage.Photo) {
		p.Camera, p.Lens = "Canon EOS 40D", "EF-S 17-55mm f/2.8 IS USM"
		p.Taken, p.Location = clock("2019-12-31 23:59:59"), at(48.8584, 2.2945)
		p.ISO, p.FNumber, p.ExposureTime, p.FocalLength = 800, 2.8, 1.0/250, 50
		p.Title = "Tower"
	}, "2019/Holiday in France/IMG_2001.JPG")
	put("versailles", func(p *storage.Photo) {
		p.Camera, p.Lens = "Canon EOS R5", "RF 50mm F1.8 STM"
		p.Taken, p.Location = clock("2020-01-01 00:00:00"), at(48.8049, 2.1204)
		p.ISO, p.FNumber, p.ExposureTime, p.FocalLength = 100, 2.83, 0.5, 35
		p.Keywords = []string{"castle"}
	}, "2020/IMG_2002.JPG", "Holiday/castles/versailles-01.jpg")
	put("fiji", func(p *storage.Photo) {
		p.Camera = "NIKON D90"
		p.Taken, p.Location = clock("2020-02-29 12:00:00"), at(-17.8, 179.9)
		p.ISO, p.FNumber, p.ExposureTime, p.FocalLength = 1600, 4, 1.0/60, 200
	}, "Café/DSC_0001.JPG")
	put("taveuni", func(p *storage.Photo) {
		p.Taken, p.Location = clock("2020-03-01 12:00:00"), at(-16.9, -179.95)
		p.ISO = 801
	}, "2020/island (2).jpg")
	put("pole", func(p *storage.Photo) {
		p.Location = at(89.95, 10)
		p.Width, p.Height = 4000, 3000
	}, "scan 12.tif")
	put("other side of the pole", func(p *storage.Photo) {
		p.Location = at(89.95, -170)
		p.Text, p.Edited = "Ice, as far as I could see.", true
	}, "2019/scan 13.tif")
	put("nowhere", func(p *storage.Photo) {
		p.Location = at(91, 0) // a crafted file
		p.People = []string{"Grace"}
		p.Text = ""
	}, "Cafe\u0301/no ending")
	return feed
}

func TestTheWholeLanguage(t *testing.T) {
	ix := projected(t, factsFeed())
	tests := map[string]struct{ query, want string }{
		"either word":                                     {"paris OR fiji", "fiji paris"},
		"either of two groups":                            {"(paris tower) OR (fiji tower)", "paris"},
		"a group and a word":                              {"(paris OR versailles) castle", "versailles"},
		"a group left out":                                {"picture -(paris OR versailles)", "fiji pole taveuni"},
		"AND binds tighter than OR":                       {"tower paris OR fiji", "fiji paris"},
		"the beginning of a word":                         {"versa*", "versailles"},
		"the beginning in capitals":                       {"VERSA*", "versailles"},
		"the beginning of several words":                  {"pa* OR ta*", "paris taveuni"},
		"a beginning that nothing has":                    {"zz*", ""},
		"a word spelled nearly so":                        {"versailes~", "versailles"},
		"a beginning with an accent in two characters":    {"cafe\u0301*", "fiji nowhere"},
		"letters that changed places":                     {"prais~", "paris"},
		"spelled too differently":                         {"prs~", ""},
		"a maker":                                         {"camera:canon", "paris versailles"},
		"a beginning of a camera":                         {"camera:r5*", "versailles"},
		"a model of two words":                            {`camera:"eos r5"`, "versailles"},
		"a lens":                                          {"lens:50mm", "versailles"},
		"a lens with signs":                               {"lens:17-55mm", "paris"},
		"a lens's words beside each other":                {`lens:"is usm"`, "paris"},
		"a folder of the first file":                      {"folder:france", "paris"},
		"a folder of another file":                        {"folder:castles", "versailles"},
		"folders of first and of other files":             {"folder:holiday", "paris versailles"},
		"the beginning of a folder, of any file":          {"folder:holi*", "paris versailles"},
		"words of a folder":                               {`folder:"holiday in"`, "paris"},
		"words of a folder, the last only begun":          {"folder:holiday-i*", "paris"},
		"no phrase reaches from one file to the next":     {`folder:"2020 holiday"`, ""},
		"a folder above the root":                         {"folder:ada", "all"},
		"a folder with an accent, however it is composed": {"folder:café", "fiji nowhere"},
		"a folder, its accent in two characters":          {"folder:cafe\u0301", "fiji nowhere"},
		"a file's beginning":                              {"name:img_2*", "paris versailles"},
		"a file's name":                                   {"name:IMG_2001.jpg", "paris"},
		"a file's name without its ending":                {"name:img_2001", "paris"},
		"a word of a file's name":                         {"name:versailles", "versailles"},
		"a name with spaces":                              {`name:"scan 12"`, "pole"},
		"a name with spaces and its ending":               {`name:"scan 12.tif"`, "pole"},
		"the beginning of a name with signs":              {"name:versailles-*", "versailles"},
		"a name with parentheses":                         {`name:"island (2).jpg"`, "taveuni"},
		"a folder is no name":                             {"name:holiday", ""},
		"a name's words are words too":                    {"island", "taveuni"},
		"a year":                                          {"taken:2020", "fiji taveuni versailles"},
		"a month":                                         {"taken:2020-02", "fiji"},
		"a day":                                           {"taken:2019-12-31", "paris"},
		"a range of days":                                 {"taken:2019-12-31..2020-01-01", "paris versailles"},
		"a range of unlike ends":                          {"taken:2019..2020-01", "paris versailles"},
		"from a day on":                                   {"taken:2020-03-01..", "taveuni"},
		"up to a month":                                   {"taken:..2020-01", "paris versailles"},
		"no date":                                         {"-has:date", "nowhere,other side of the pole,pole"},
		"near":                                            {"near:48.85,2.35,5km", "paris"},
		"near, far enough":                                {"near:48.85,2.35,20km", "paris versailles"},
		"near across the date line":                       {"near:-17.3,180,100km", "fiji taveuni"},
		"near the pole, all around":                       {"near:90,0,6km", "other side of the pole,pole"},
		"near one side of the pole":                       {"near:89.95,10,1km", "pole"},
		"across the pole":                                 {"near:89.95,10,12km", "other side of the pole,pole"},
		"near in miles":                                   {"near:48.85,2.35,3mi", "paris"},
		"the whole globe":                                 {"near:-12,33,20040km", "fiji,other side of the pole,paris,pole,taveuni,versailles"},
		"a box":                                           {"box:48,2,49,3", "paris versailles"},
		"a box across the date line":                      {"box:-20,179,-10,-179", "fiji taveuni"},
		"a box that ends at the date line":                {"box:-20,179,-10,180", "fiji"},
		"a box around the pole":                           {"box:80,-180,90,180", "other side of the pole,pole"},
		"no place":                                        {"-has:gps", "nowhere"},
		"an ISO":                                          {"iso:800", "paris"},
		"more than an ISO":                                {"iso:>800", "fiji taveuni"},
		"an ISO or more":                                  {"iso:>=800", "fiji paris taveuni"},
		"less than an ISO: not what has none":             {"iso:<800", "versailles"},
		"ISOs from to":                                    {"iso:100..800", "paris versailles"},
		"ISOs up to":                                      {"iso:..800", "paris versailles"},
		"what is not that ISO, and what has none":         {"-iso:..800", "fiji,nowhere,other side of the pole,pole,taveuni"},
		"an aperture, as cameras round it":                {"f:2.8", "paris versailles"},
		"an aperture and wider":                           {"f:<=2.8", "paris"},
		"apertures from to":                               {"f:2.83..4", "fiji versailles"},
		"an exposure":                                     {"exposure:1/250", "paris"},
		"an exposure in seconds":                          {"exposure:0.004s", "paris"},
		"shorter exposures":                               {"exposure:<1/60", "paris"},
		"longer exposures":                                {"exposure:>1/60", "versailles"},
		"that exposure and longer":                        {"exposure:>=1/60", "fiji versailles"},
		"a focal length":                                  {"focal:50mm", "paris"},
		"focal lengths from to":                           {"focal:35..50", "paris versailles"},
		"wide pictures":                                   {"width:>=4000px", "pole"},
		"high pictures":                                   {"height:3000", "pole"},
		"what has a title":                                {"has:title", "paris"},
		"what has keywords":                               {"has:keywords", "versailles"},
		"what has a lens":                                 {"has:lens", "paris versailles"},
		"what has a camera":                               {"has:camera", "fiji paris versailles"},
		"what has no caption":                             {"-has:caption", "nowhere"},
		"what has an exposure":                            {"has:exposure", "fiji paris versailles"},
		"by me":                                           {"by:me", "other side of the pole"},
		"by me, in my words":                              {"ice by:me", "other side of the pole"},
		"a person":                                        {"grace", "nowhere"},
		"all at once":                                     {"(paris OR fiji) camera:canon lens:ef-s folder:holiday name:img* taken:2019 near:48.8,2.3 iso:>=800 f:2.8 has:gps -by:me", "paris"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			result := find(t, ix, tt.query, 100)
			got := []string{}
			for _, hit := range result.Hits {
				got = append(got, pictureNames[hit.Photo])
			}
			slices.Sort(got)
			var want []string
			switch {
			case tt.want == "all":
				want = slices.Sorted(values(pictureNames))
			case strings.Contains(tt.want, ",") || tt.want == "other side of the pole":
				want = strings.Split(tt.want, ",")
			default:
				want = strings.Fields(tt.want)
			}
			if !slices.Equal(got, want) || result.Total != uint64(len(got)) {
				t.Errorf("%s finds %q of %d, want %q", tt.query, got, result.Total, want)
			}
		})
	}
}

// pictureNames are those of the photos of factsFeed.
var pictureNames = func() map[string]string {
	byID := make(map[string]string)
	for _, name := range []string{"paris", "versailles", "fiji", "taveuni", "pole", "other side of the pole", "nowhere"} {
		byID[photo(name, "").ID.String()] = name
	}
	return byID
}()

func values(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestSorts(t *testing.T) {
	ix := projected(t, factsFeed())
	for text, want := range map[string]string{
		"sort:date":           "taveuni fiji versailles paris - - -",
		"sort:oldest":         "paris versailles fiji taveuni - - -",
		"sort:name":           "fiji paris versailles taveuni nowhere pole other",
		"camera:canon":        "versailles paris",
		"picture sort:oldest": "paris versailles fiji taveuni -",
		"-camera:x sort:date": "taveuni fiji versailles paris - - -",
		"sort:relevance":      "taveuni fiji versailles paris - - -",
		"has:gps sort:name":   "fiji paris versailles taveuni pole other",
	} {
		var got []string
		for _, hit := range find(t, ix, text, 100).Hits {
			name, _, _ := strings.Cut(pictureNames[hit.Photo], " ")
			if hit.TakenAt == "" && !strings.Contains(text, "name") {
				name = "-"
			}
			got = append(got, name)
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s finds %v, want %s", text, got, want)
		}
	}
}

func TestSimilarTakesAnyWordAndTheMoreTheBetter(t *testing.T) {
	ix := projected(t, wordsFeed())
	q, err := query.Similar("A dog runs in the snow!")
	if err != nil {
		t.Fatal(err)
	}
	result, err := ix.Search(t.Context(), Request{Query: q, Similar: true, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	order := names(result)
	if result.Total < 5 || slices.Index(order, "said.jpg") > slices.Index(order, "seen.jpg") {
		t.Errorf("%d photos in the order %v", result.Total, order)
	}
	for i, hit := range result.Hits[1:] {
		if hit.Relevance > result.Hits[i].Relevance {
			t.Errorf("hit %d is more relevant than the one before", i+1)
		}
	}
}

func TestDatesAreInclusiveToTheSecond(t *testing.T) {
	feed := newWordsFeed()
	for i, text := range []string{"2018-12-31 23:59:59", "2019-01-01 00:00:00", "2019-12-31 23:59:59", "2020-01-01 00:00:00"} {
		moment, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		p := photo(fmt.Sprint(i), "A day.")
		p.Taken = storage.Taken{Clock: moment.Add(999 * time.Millisecond)}
		feed.put(p, fmt.Sprintf("/%d", i))
	}
	ix := projected(t, feed)
	for text, want := range map[string]string{
		"taken:2019": "1 2", "taken:2019-12": "2", "taken:2019-01-01": "1", "taken:..2018": "0", "taken:2020..": "3",
		"taken:0001..9999": "0 1 2 3",
	} {
		got := names(find(t, ix, text, 10))
		if slices.Sort(got); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s finds %v, want %s", text, got, want)
		}
	}
}
