package search

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoebox/search/query"
	"shoebox/storage"
)

var update = flag.Bool("update", false, "write testdata/ranking.golden")

// rankedQueries are what ranking.golden shows the answers to.
var rankedQueries = []string{
	"dog", "dogs in the snow", "snow", "beach", "sunset beach", "bike", "child", "two children", "3 people",
	"puppy", "cat -dog", `"in the snow"`, "red -car", "guitar concert", "wedding", "birthday", "norway", "norway snow",
	"anna", "anna dog", "sn*", "moutain~", "lake OR river", "man", "woman bicycle", "t-shirt", "t-shirt blue",
	"boat taken:2019", "camera:canon dog", "folder:norway sort:date", "snow sort:oldest", "by:me", "unicorn", "dog unicorn",
	"similar: a dog runs through the snow", "similar: people on a boat at sunset",
}

// rankedWords are the picture words of the photos of ranked.
var rankedWords = storage.Vocabulary{Smallest: 1e-4, Words: []storage.PictureWord{
	{Stem: "dog", Prior: 0.15, Forms: []string{"dog", "dogs"}},
	{Stem: "snow", Prior: 0.03, Forms: []string{"snow", "snowy"}},
	{Stem: "man", Prior: 0.2, Forms: []string{"man"}},
	{Stem: "woman", Prior: 0.12, Forms: []string{"woman"}},
	{Stem: "children", Prior: 0.03, Forms: []string{"children"}},
	{Stem: "child", Prior: 0.05, Forms: []string{"child"}},
	{Stem: "two", Prior: 0.14, Forms: []string{"two"}},
	{Stem: "three", Prior: 0.05, Forms: []string{"three"}},
	{Stem: "peopl", Prior: 0.12, Forms: []string{"people"}},
	{Stem: "beach", Prior: 0.02, Forms: []string{"beach", "beaches"}},
	{Stem: "sunset", Prior: 0.003, Forms: []string{"sunset"}},
	{Stem: "boat", Prior: 0.008, Forms: []string{"boat", "boats"}},
	{Stem: "red", Prior: 0.08, Forms: []string{"red"}},
	{Stem: "blue", Prior: 0.08, Forms: []string{"blue"}},
	{Stem: "bicycl", Prior: 0.01, Forms: []string{"bicycle", "bicycles"}},
	{Stem: "bike", Prior: 0.03, Forms: []string{"bike", "bikes"}},
	{Stem: "car", Prior: 0.02, Forms: []string{"car", "cars"}},
	{Stem: "cat", Prior: 0.002, Forms: []string{"cat", "cats"}},
	{Stem: "guitar", Prior: 0.01, Forms: []string{"guitar", "guitars"}},
	{Stem: "concert", Prior: 0.004, Forms: []string{"concert"}},
	{Stem: "wed", Prior: 0.004, Forms: []string{"wedding"}},
	{Stem: "lake", Prior: 0.006, Forms: []string{"lake", "lakes"}},
	{Stem: "river", Prior: 0.006, Forms: []string{"river", "rivers"}},
	{Stem: "mountain", Prior: 0.012, Forms: []string{"mountain", "mountains"}},
	{Stem: "t-shirt", Prior: 0.01, Forms: []string{"t-shirt", "t-shirts"}},
	{Stem: "run", Prior: 0.06, Forms: []string{"running", "runs", "run"}},
}}

// ranked is a small library: a photo a line, with its path below the root, the
// day, the camera, the caption, what the model sees, and what people wrote.
const ranked = `
norway/IMG_1001|2019-02-01|Canon EOS 40D|A dog runs through the snow.|dog .95 snow .9 run .6 mountain .1|
norway/IMG_1002|2019-02-01|Canon EOS 40D|A man stands on a mountain.|man .8 snow .6 mountain .7 dog .01|
norway/IMG_1003|2019-02-02|Canon EOS 40D|Two people in red jackets.|two .8 peopl .7 red .6 snow .3 mountain .2|title=Skiing in the snow
norway/IMG_1004|2019-02-03|Canon EOS 40D|A lake in the mountains.|lake .7 mountain .8 boat .06|
summer/beach/a|2019-07-10|Apple iPhone 15 Pro|A brown dog on the sand.|dog .9 beach .7 run .2|people=Anna
summer/beach/b|2019-07-10|Apple iPhone 15 Pro|Three children play in the water.|three .8 children .9 beach .6 child .2|
summer/beach/c|2019-07-11|Apple iPhone 15 Pro|The sun goes down over the sea.|sunset .8 beach .3 boat .1|keywords=sunset,evening
summer/beach/d|2019-07-11|Apple iPhone 15 Pro|A boat on the water.|boat .9 sunset .4 peopl .3 two .1|
town/e|2020-05-01||A woman rides a bike down a street.|woman .9 bike .8 bicycl .3 car .2|
town/f|2020-05-02||A man with a bicycle.|man .9 bicycl .7 bike .5 t-shirt .2 blue .3|
town/g|2020-05-03||A red car in front of a house.|red .8 car .9|
town/h|2020-05-04||A man in a blue shirt plays the guitar.|man .9 blue .7 guitar .9 concert .2 t-shirt .4|
town/i|2020-05-05||A band on a stage.|concert .6 guitar .5 peopl .4 man .4 red .3|title=Concert of the year
home/j|2021-03-01|NIKON D90|A cat sleeps on a red chair.|cat .9 red .6|
home/k|2021-03-02|NIKON D90|A cat and a dog look out of a window.|cat .8 dog .8 two .1|
home/l|2021-03-03|NIKON D90|A small brown animal on a bed.|dog .5 cat .2|keywords=puppy,Rex
home/m|2021-03-04|NIKON D90|A child blows out candles.|child .8 children .2 peopl .2|title=Birthday,edited
family/Anna's wedding/n|2022-06-01|SONY DSC-RX100M3|A woman in a white dress.|woman .9 wed .6 man .2|
family/Anna's wedding/o|2022-06-01|SONY DSC-RX100M3|A group of people stand in a garden.|peopl .9 wed .2 woman .4 man .4|
family/p|2022-07-01|SONY DSC-RX100M3|Two children with a dog by a river.|two .7 children .8 dog .7 river .6 lake .2|people=Anna,Ben
old/scan 01|||Two dogs play in the snow.||
old/scan 02|||||title=Grandfather's boat
new/q|2023-01-01||A snowman in a garden.|snow .7 child .06 two .01|
new/r|2023-01-02||A man wearing a t-shirt.|man .9 t-shirt .7 blue .2|
`

// rankedFeed makes the feed of the library.
func rankedFeed(t *testing.T) *fakeFeed {
	t.Helper()
	feed := newFakeFeed()
	feed.root = "/photos"
	feed.vocabularies = map[string]storage.Vocabulary{"model": rankedWords}
	for _, line := range strings.Split(strings.TrimSpace(ranked), "\n") {
		fields := strings.Split(line, "|")
		p := photo(fields[0], fields[3])
		if fields[1] != "" {
			var n, month, year int
			if _, err := fmt.Sscanf(fields[1], "%d-%d-%d", &year, &month, &n); err != nil {
				t.Fatal(err)
			}
			p.Taken = storage.Taken{Clock: day(1).Clock.AddDate(year-2020, month-1, n-1)}
		}
		p.Camera = fields[2]
		seen := strings.Fields(fields[4])
		if len(seen) > 0 {
			p.Seen.Model = "model"
			for i := range rankedWords.Words {
				p.Seen.Words = append(p.Seen.Words, rankedWords.Evidence(i, 1e-4))
			}
		}
		for i := 0; i < len(seen); i += 2 {
			var probability float64
			if _, err := fmt.Sscan(seen[i+1], &probability); err != nil {
				t.Fatal(err)
			}
			known := false
			for place, word := range rankedWords.Words {
				if word.Stem == seen[i] {
					p.Seen.Words[place], known = rankedWords.Evidence(place, probability), true
				}
			}
			if !known {
				t.Fatalf("%q is no picture word", seen[i])
			}
		}
		switch what, text, _ := strings.Cut(fields[5], "="); what {
		case "title":
			p.Title, _, p.Edited = strings.Cut(text, ",edited")
		case "keywords":
			p.Keywords = strings.Split(text, ",")
		case "people":
			p.People = strings.Split(text, ",")
		}
		feed.put(p, "/photos/"+fields[0]+".jpg")
	}
	return feed
}

// TestRankingIsTheGoldenOne compares the five best photos of queries with
// testdata/ranking.golden. A change of ranking is a diff of that file, which
// `go test ./search -run Golden -update` writes and a person reads.
func TestRankingIsTheGoldenOne(t *testing.T) {
	ix := projected(t, rankedFeed(t))
	var out strings.Builder
	for _, text := range rankedQueries {
		parse := query.Parse
		plain, similar := strings.CutPrefix(text, "similar: ")
		if similar {
			parse = query.Similar
		}
		q, err := parse(plain)
		if err != nil {
			t.Fatal(err)
		}
		result, err := ix.Search(t.Context(), Request{Query: q, Similar: similar, Limit: 5})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s  (%d)\n", text, result.Total)
		for _, hit := range result.Hits {
			possible := ""
			if hit.Possible {
				possible = "  possibly"
			}
			fmt.Fprintf(&out, "  %6.2f  %s  %s  [%s]%s\n", hit.Relevance, names(Result{Hits: []Hit{hit}})[0], hit.Caption, strings.Join(hit.Why, "; "), possible)
		}
		for _, n := range result.Nearest {
			fmt.Fprintf(&out, "          nearest: %s (%d)\n", n.Query, n.Total)
		}
		out.WriteString("\n")
	}
	path := filepath.Join("testdata", "ranking.golden")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, want := strings.Split(out.String(), "\n\n"), strings.Split(string(golden), "\n\n")
	if len(got) != len(want) {
		t.Fatalf("%d answers, %d in %s: run with -update and read the diff", len(got), len(want), path)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("the ranking changed (run with -update and read the diff); now\n%s\nit was\n%s", got[i], want[i])
		}
	}
}
