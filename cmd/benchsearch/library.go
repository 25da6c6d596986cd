package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"shoebox/storage"
)

// library is a made-up photo library: captions that people wrote, repeated in
// any order, of photos with made-up dates, cameras, places and pictures. Photo i
// is the same each time it is made; nothing of it is kept. It is a
// search.Feed.
type library struct {
	photos   int
	captions []string
	// vocabulary is that of the shipped model; without words no photo has been
	// looked at by a model.
	vocabulary storage.Vocabulary
	pictures   *pictures // nil: texts alone
	places     []place
	making     time.Duration // what Changes has taken so far
}

const (
	seed      = 7
	modelName = "made-up"
	// captionsOfPhoto is how many people described a picture of Flickr30K: the
	// others stand in for the captions that the model did not choose.
	captionsOfPhoto = 5
	others          = 2 // the beam is of three
)

func newLibrary(photos int, captionsFile string, vocabulary storage.Vocabulary, withWords bool) (*library, error) {
	captions, err := readCaptions(captionsFile)
	if err != nil {
		return nil, err
	}
	l := &library{photos: photos, captions: captions, places: makePlaces(), vocabulary: vocabulary}
	if withWords {
		l.pictures = newPictures(&vocabulary, captions)
	}
	return l, nil
}

// readCaptions reads a file with file name, number, split and caption a line,
// captionsOfPhoto lines a photo.
func readCaptions(path string) (captions []string, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the made-up library says what people wrote of the pictures of Flickr30K; "+
			"-captions names a file of theirs (gzip; file name, number, split and caption a line, tabs between)", err)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	lines := bufio.NewScanner(unzipped)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 4 {
			return nil, fmt.Errorf("%s: line %d has %d fields, want 4", path, len(captions)+1, len(fields))
		}
		captions = append(captions, fields[3])
	}
	if lines.Err() == nil && len(captions)%captionsOfPhoto != 0 {
		return nil, fmt.Errorf("%s has %d captions, not %d of each photo", path, len(captions), captionsOfPhoto)
	}
	return captions, lines.Err()
}

// Changes implements search.Feed: photo after photo in the order of their
// numbers.
func (l *library) Changes(_ context.Context, after storage.Cursor, limit int) (storage.Changes, error) {
	began := time.Now()
	from := int(after.XID)
	to := min(from+limit, l.photos)
	changes := storage.Changes{Next: storage.Cursor{Epoch: modelName, XID: uint64(to)}, More: to < l.photos}
	for i := from; i < to; i++ {
		changes.Items = append(changes.Items, l.photo(i))
	}
	l.making += time.Since(began)
	return changes, nil
}

// Vocabulary implements search.Feed.
func (l *library) Vocabulary(context.Context, string) (storage.Vocabulary, error) {
	return l.vocabulary, nil
}

// photo makes photo i.
func (l *library) photo(i int) storage.Change {
	random := rand.New(rand.NewPCG(seed, uint64(i)))
	line := random.IntN(len(l.captions))
	p := storage.Photo{
		ID:       sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i))),
		Format:   "jpeg",
		Metadata: l.metadata(random),
		Caption:  storage.Caption{Text: l.captions[line], Score: -random.Float64(), Model: modelName},
	}
	p.Width, p.Height = 4000, 3000
	if random.IntN(4) == 0 {
		p.Width, p.Height = 3000, 4000
	}
	for n := range others {
		other := line - line%captionsOfPhoto + (line+1+n)%captionsOfPhoto
		p.Seen.Others = append(p.Seen.Others, storage.OtherCaption{Text: l.captions[other], Likelihood: -10})
	}
	if l.pictures != nil {
		p.Seen.Model, p.Seen.Words = modelName, l.pictures.words(random, line)
	}
	month := "undated"
	if !p.Taken.IsZero() {
		month = p.Taken.Clock.Format("2006/2006-01")
	}
	path := fmt.Sprintf("/photos/%s %s/IMG_%07d.JPG", month, pick(random, occasions), i)
	return storage.Change{Photo: p, Paths: []string{path}, Roots: []string{"/photos"}}
}

// pick prefers what comes first: half of the choices are from the first
// quarter of the list.
func pick[T any](random *rand.Rand, from []T) T {
	r := random.Float64()
	return from[int(r*r*float64(len(from)))]
}

var (
	occasions = strings.Fields("Holiday Birthday Garden Beach Wedding Family Friends Winter Park Concert School Hike " +
		"Party Market Museum Football Camping Lake Harbour Picnic Parade Workshop Visit Zoo Skiing Christmas Graduation " +
		"Christening Marathon Castle")
	cameras = []string{"Apple iPhone 12", "Canon EOS 40D", "Apple iPhone 15 Pro", "NIKON D90", "Google Pixel 7",
		"SONY DSC-RX100M3", "Canon PowerShot G7 X", "NIKON D3100", "samsung SM-G991B", "FUJIFILM X-T30",
		"Panasonic DMC-TZ61", "OLYMPUS E-M10", "Canon EOS R6", "SONY ILCE-7M3", "HUAWEI P30", ""}
	lenses = []string{"", "EF-S17-55mm f/2.8 IS USM", "24.0-70.0 mm f/2.8", "18.0-105.0 mm f/3.5-5.6",
		"EF50mm f/1.8 STM", "FE 24-70mm F2.8 GM", "XF18-55mmF2.8-4 R LM OIS", "70.0-200.0 mm f/2.8"}
	isos      = []int{100, 200, 400, 64, 800, 125, 1600, 3200, 6400}
	fNumbers  = []float64{2.8, 4, 1.8, 5.6, 8, 2.2, 11, 1.5}
	exposures = []float64{1. / 125, 1. / 250, 1. / 60, 1. / 500, 1. / 1000, 1. / 30, 0.5, 2}
	focals    = []float64{26, 35, 50, 24, 17, 70, 105, 200}
)

// Photos were taken from firstYear on, for years; a third of them say where,
// most of them near one of the places. Few titles and keywords were written.
const (
	firstYear, years = 2005, 20
	undated          = 33 // one in so many
	located          = 3
	titled           = 30
	kilometre        = 1. / 111 // degrees of latitude
)

type place struct{ lat, lon float64 }

func makePlaces() []place {
	random := rand.New(rand.NewPCG(seed, 0))
	all := make([]place, 300)
	for i := range all {
		all[i] = place{lat: -45 + 110*random.Float64(), lon: -180 + 360*random.Float64()}
	}
	return all
}

func (l *library) metadata(random *rand.Rand) storage.Metadata {
	m := storage.Metadata{
		Camera: pick(random, cameras), Lens: pick(random, lenses), ISO: pick(random, isos), FNumber: pick(random, fNumbers),
		ExposureTime: pick(random, exposures), FocalLength: pick(random, focals),
	}
	if random.IntN(undated) > 0 {
		start := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
		m.Taken.Clock = start.Add(time.Duration(random.IntN(years*365*24*3600)) * time.Second)
	}
	if random.IntN(located) == 0 {
		at := pick(random, l.places)
		m.Location = &storage.Location{
			Lat: at.lat + 15*kilometre*random.NormFloat64(),
			Lon: math.Mod(at.lon+15*kilometre*random.NormFloat64()+540, 360) - 180,
		}
	}
	if random.IntN(titled) == 0 {
		m.Title = pick(random, occasions) + " with friends"
		m.Keywords = []string{pick(random, occasions), pick(random, occasions)}
	}
	return m
}

// pictures makes up what a model sees: nothing much of most words, a few dozen
// that are likely and as many that are possible, common words more often, and
// for sure most of what the caption says.
type pictures struct {
	captions    [][]uint16 // the words of each caption
	backgrounds [][]byte
	drawn       []uint16            // words, each as often as people use it
	bytes       [][len(levels)]byte // evidence of each word by level
}

// levels are probabilities: the first are possible, then likely, then sure.
var levels = [...]float64{0.006, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 0.95}

const (
	firstLikely, firstSure     = 4, 8
	likelyWords, possibleWords = 30, 40
)

func newPictures(v *storage.Vocabulary, captions []string) *pictures {
	random := rand.New(rand.NewPCG(seed, 1))
	p := &pictures{bytes: make([][len(levels)]byte, len(v.Words))}
	of := make(map[string]uint16) // form -> word
	for i, word := range v.Words {
		for _, form := range word.Forms {
			of[form] = uint16(i)
		}
		for level, probability := range levels {
			p.bytes[i][level] = v.Evidence(i, probability)
		}
		for range max(1, int(word.Prior*1e4)) {
			p.drawn = append(p.drawn, uint16(i))
		}
	}
	for range 256 {
		background := make([]byte, len(v.Words))
		for i, word := range v.Words {
			probability := word.Prior * math.Exp(-1-1.5*math.Abs(random.NormFloat64()))
			background[i] = v.Evidence(i, min(probability, 0.004))
		}
		p.backgrounds = append(p.backgrounds, background)
	}
	for _, caption := range captions {
		var words []uint16
		for _, word := range wordsOf(caption) {
			if i, known := of[word]; known {
				words = append(words, i)
			}
		}
		p.captions = append(p.captions, words)
	}
	return p
}

// wordsOf are the words of a text in small letters.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' })
}

// words makes up the evidence for a photo with the caption of a line.
func (p *pictures) words(random *rand.Rand, line int) []byte {
	evidence := slices.Clone(p.backgrounds[random.IntN(len(p.backgrounds))])
	draw := func(n, from, to int) {
		for range n {
			word := p.drawn[random.IntN(len(p.drawn))]
			evidence[word] = max(evidence[word], p.bytes[word][from+random.IntN(to-from)])
		}
	}
	draw(possibleWords, 0, firstLikely)
	draw(likelyWords, firstLikely, firstSure)
	for _, word := range p.captions[line] {
		evidence[word] = p.bytes[word][firstLikely+1+random.IntN(len(levels)-firstLikely-1)]
	}
	return evidence
}
