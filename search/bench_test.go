package search

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"shoebox/search/query"
	"shoebox/storage"
)

const captionsFile = "../../shared/data/flickr30k-captions.tsv.gz"

// realCaptions reads n captions that people wrote: file, number, split, text.
func realCaptions(tb testing.TB, n int) []string {
	tb.Helper()
	file, err := os.Open(captionsFile)
	if errors.Is(err, fs.ErrNotExist) {
		tb.Skip("needs ../shared/data/flickr30k-captions.tsv.gz")
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	var captions []string
	for lines := bufio.NewScanner(unzipped); len(captions) < n && lines.Scan(); {
		captions = append(captions, strings.Split(lines.Text(), "\t")[3])
	}
	return captions
}

// captionFeed makes a feed of made-up photos with these captions.
func captionFeed(captions []string) *fakeFeed {
	random := rand.New(rand.NewPCG(1, 2))
	cameras := []string{"Canon EOS 40D", "NIKON D90", "Apple iPhone 15 Pro", "SONY DSC-RX100M3", ""}
	feed := newFakeFeed()
	for i, caption := range captions {
		p := storage.Photo{ID: sha256.Sum256(fmt.Append(nil, i)), Width: 4000, Height: 3000}
		p.Text, p.Score, p.Camera = caption, -random.Float64(), cameras[random.IntN(len(cameras))]
		p.Taken.Clock = time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.IntN(20*365*24)) * time.Hour)
		feed.put(p, fmt.Sprintf("/photos/%d/IMG_%05d.JPG", i/1000, i))
	}
	return feed
}

// BenchmarkProject builds an index of 150,000 real captions.
func BenchmarkProject(b *testing.B) {
	captions := realCaptions(b, 150_000)
	feed := captionFeed(captions)
	for b.Loop() {
		ix, err := OpenWriter(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		if n, err := ix.Project(context.Background(), feed); n != len(captions) || err != nil {
			b.Fatalf("projected %d: %v", n, err)
		}
		if err := ix.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(captions))/b.Elapsed().Seconds(), "docs/s")
}

// BenchmarkSearch measures kinds of queries over 150,000 real captions, their
// words drawn from the captions: frequent words come often.
func BenchmarkSearch(b *testing.B) {
	captions := realCaptions(b, 150_000)
	dir := b.TempDir()
	if _, err := CatchUp(context.Background(), dir, captionFeed(captions)); err != nil {
		b.Fatal(err)
	}
	var opening []time.Duration
	for range 20 {
		began := time.Now()
		s, err := Open(context.Background(), dir)
		if err != nil {
			b.Fatal(err)
		}
		opening = append(opening, time.Since(began))
		_ = s.Close()
	}
	b.Logf("open read-only: p50 %v, max %v", percentile(opening, 50), percentile(opening, 100))
	s, err := Open(context.Background(), dir)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	l, err := newLanguage()
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	words := func(n int) []string {
		for {
			all := strings.FieldsFunc(captions[random.IntN(len(captions))], func(r rune) bool { return r < 'A' })
			content := slices.DeleteFunc(all, l.isStopWord)
			if len(content) >= n {
				from := random.IntN(len(content) - n + 1)
				return content[from : from+n]
			}
		}
	}
	phrase := func() string {
		for {
			all := strings.Fields(strings.Map(func(r rune) rune {
				if r == '"' {
					return -1
				}
				return r
			}, captions[random.IntN(len(captions))]))
			if len(all) >= 3 {
				from := random.IntN(len(all) - 2)
				return `"` + strings.Join(all[from:from+3], " ") + `"`
			}
		}
	}
	kinds := map[string]func() string{
		"word":          func() string { return words(1)[0] },
		"three words":   func() string { return strings.Join(words(3), " ") },
		"phrase":        phrase,
		"word + dates":  func() string { return words(1)[0] + " taken:2012-05..2013-04" },
		"year alone":    func() string { return "taken:2012" },
		"word left out": func() string { w := words(2); return w[0] + " -" + w[1] },
	}
	for name, kind := range kinds {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				q, err := query.Parse(kind())
				if err != nil {
					continue
				}
				began := time.Now()
				if _, err := s.Search(context.Background(), q, 20); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			b.ReportMetric(percentile(took, 50).Seconds()*1000, "p50-ms")
			b.ReportMetric(percentile(took, 99).Seconds()*1000, "p99-ms")
		})
	}
}

func percentile(d []time.Duration, p int) time.Duration {
	slices.Sort(d)
	return d[(len(d)-1)*p/100]
}
