package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// CaptionedPhotos returns those of ids that have a caption.
func (s *Store) CaptionedPhotos(ctx context.Context, ids []storage.PhotoID) (map[storage.PhotoID]bool, error) {
	return s.among(ctx, "looking for captioned photos", `SELECT id FROM photos WHERE id = ANY ($1) AND caption IS NOT NULL`, ids)
}

// among returns those of ids that a statement, given them, returns.
func (s *Store) among(ctx context.Context, doing, sql string, ids []storage.PhotoID) (map[storage.PhotoID]bool, error) {
	found, err := query(ctx, s, doing, func(row pgx.CollectableRow) (id storage.PhotoID, err error) {
		err = row.Scan((*sum)(&id))
		return id, err
	}, sql, hashes(ids))
	if err != nil {
		return nil, err
	}
	set := make(map[storage.PhotoID]bool, len(found))
	for _, id := range found {
		set[id] = true
	}
	return set, nil
}

// CaptionByPixels returns the caption of a photo that shows the same pixels to
// the model of that hash, and what was seen in it; a person's caption comes
// first, whatever the model.
func (s *Store) CaptionByPixels(ctx context.Context, pixels [32]byte, model string) (storage.Caption, storage.Seen, bool, error) {
	found, err := query(ctx, s, "looking for a caption by pixels", func(row pgx.CollectableRow) (storage.Photo, error) {
		return scanPhoto(row)
	}, `
		SELECT `+selectedPhoto+`
		FROM `+photosAndSeen+`
		WHERE p.pixels = $1 AND p.caption IS NOT NULL AND (p.caption_edited OR m.hash = $2)
		ORDER BY p.caption_edited DESC, p.changed_in DESC
		LIMIT 1`, pixels[:], model)
	if err != nil || len(found) == 0 {
		return storage.Caption{}, storage.Seen{}, false, err
	}
	return found[0].Caption, found[0].Seen, true, nil
}

// sum scans a SHA-256.
type sum [32]byte

// ScanBytes implements pgtype.BytesScanner.
func (s *sum) ScanBytes(b []byte) error {
	if len(b) != len(s) {
		return fmt.Errorf("a hash of %d bytes, want %d", len(b), len(s))
	}
	copy(s[:], b)
	return nil
}

// photosAndSeen are photos p, captioned by model m, and what model sm has seen
// in them. OFFSET 0 makes that a look-up for each photo: a server that knows
// nothing of the tables yet might rather read all that was ever seen.
const photosAndSeen = `photos p LEFT JOIN models m ON m.id = p.model_id
	LEFT JOIN LATERAL (SELECT * FROM seen WHERE photo_id = p.id OFFSET 0) AS s ON true
	LEFT JOIN models sm ON sm.id = s.model_id`

// selectedPhoto are the columns of photosAndSeen that scanPhoto reads.
const selectedPhoto = `
	p.id, p.pixels, p.format, p.width, p.height, p.damaged, p.taken_clock, p.taken_offset,
	coalesce(p.make, ''), coalesce(p.camera, ''), coalesce(p.lens, ''),
	coalesce(p.exposure_time, 0), coalesce(p.f_number, 0), coalesce(p.iso, 0), coalesce(p.focal_length, 0),
	p.lat, p.lon, coalesce(p.title, ''), coalesce(p.description, ''), p.keywords, p.people, coalesce(p.rating, 0),
	coalesce(p.caption, ''), p.caption_score, p.caption_unsure, p.caption_edited, coalesce(m.hash, ''),
	coalesce(sm.hash, ''), s.words, s.classes, s.others`

// scanPhoto reads selectedPhoto, and what follows it into more.
func scanPhoto(row pgx.CollectableRow, more ...any) (storage.Photo, error) {
	var p storage.Photo
	var taken *time.Time
	var lat, lon *float64
	err := row.Scan(append([]any{
		(*sum)(&p.ID), (*sum)(&p.Pixels), &p.Format, &p.Width, &p.Height, &p.Damaged, &taken, &p.Taken.Offset,
		&p.Make, &p.Camera, &p.Lens, &p.ExposureTime, &p.FNumber, &p.ISO, &p.FocalLength,
		&lat, &lon, &p.Title, &p.Description, &p.Keywords, &p.People, &p.Rating,
		&p.Text, &p.Score, &p.Unsure, &p.Edited, &p.Model,
		&p.Seen.Model, &p.Seen.Words, (*classShares)(&p.Seen.Classes), &p.Seen.Others,
	}, more...)...)
	if taken != nil {
		p.Taken.Clock = *taken
	}
	if lat != nil && lon != nil {
		p.Location = &storage.Location{Lat: *lat, Lon: *lon}
	}
	return p, err
}

// photoRows are the columns of photoColumns as rows, with args.
const photoRows = `unnest(
	$1::bytea[], $2::bytea[], $3::text[], $4::integer[], $5::integer[], $6::boolean[],
	$7::timestamp[], $8::smallint[], $9::text[], $10::text[], $11::text[],
	$12::double precision[], $13::double precision[], $14::bigint[], $15::double precision[],
	$16::double precision[], $17::double precision[],
	$18::text[], $19::text[], $20::jsonb[], $21::jsonb[], $22::smallint[],
	$23::text[], $24::double precision[], $25::boolean[], $26::boolean[], $27::integer[])
	AS r (id, pixels, format, width, height, damaged,
		taken_clock, taken_offset, make, camera, lens,
		exposure_time, f_number, iso, focal_length, lat, lon,
		title, description, keywords, people, rating,
		caption, caption_score, caption_unsure, caption_edited, model_id)`

// photoColumns are photos as arrays, for photoRows. A pointer is nil for null.
type photoColumns struct {
	id, pixels               [][]byte
	format                   []string
	width, height            []int
	damaged                  []bool
	takenClock               []*time.Time
	takenOffset              []*int
	make, camera, lens       []*string
	exposure, fNumber, focal []*float64
	iso                      []*int
	lat, lon                 []*float64
	title, description       []*string
	keywords, people         []*string // JSON
	rating                   []*int
	caption                  []*string
	score                    []float64
	unsure, edited           []bool
	model                    []*int32
}

func (c *photoColumns) add(p *storage.Photo, model *int32) {
	c.id, c.pixels = append(c.id, p.ID[:]), append(c.pixels, p.Pixels[:])
	c.format = append(c.format, clean(p.Format))
	c.width, c.height = append(c.width, p.Width), append(c.height, p.Height)
	c.damaged = append(c.damaged, p.Damaged)
	c.takenClock = append(c.takenClock, orNull(p.Taken.Clock))
	c.takenOffset = append(c.takenOffset, plausibleOffset(p.Taken.Offset))
	c.make, c.camera = append(c.make, orNull(clean(p.Make))), append(c.camera, orNull(clean(p.Camera)))
	c.lens = append(c.lens, orNull(clean(p.Lens)))
	c.exposure, c.fNumber = append(c.exposure, orNull(p.ExposureTime)), append(c.fNumber, orNull(p.FNumber))
	c.focal = append(c.focal, orNull(p.FocalLength))
	c.iso = append(c.iso, orNull(p.ISO))
	var lat, lon *float64
	if p.Location != nil {
		lat, lon = &p.Location.Lat, &p.Location.Lon
	}
	c.lat, c.lon = append(c.lat, lat), append(c.lon, lon)
	c.title, c.description = append(c.title, orNull(clean(p.Title))), append(c.description, orNull(clean(p.Description)))
	c.keywords, c.people = append(c.keywords, jsonList(p.Keywords)), append(c.people, jsonList(p.People))
	c.rating = append(c.rating, orNull(min(max(p.Rating, 0), 5)))
	var caption *string
	if captioned(p.Caption) {
		text := clean(p.Text)
		caption = &text
	}
	c.caption = append(c.caption, caption)
	c.score, c.unsure = append(c.score, p.Score), append(c.unsure, p.Unsure)
	c.edited, c.model = append(c.edited, p.Edited), append(c.model, model)
}

func (c *photoColumns) args() []any {
	return []any{
		c.id, c.pixels, c.format, c.width, c.height, c.damaged,
		c.takenClock, c.takenOffset, c.make, c.camera, c.lens,
		c.exposure, c.fNumber, c.iso, c.focal, c.lat, c.lon,
		c.title, c.description, c.keywords, c.people, c.rating,
		c.caption, c.score, c.unsure, c.edited, c.model,
	}
}

// captioned tells a caption from none. An empty one counts if a model or a
// person meant it.
func captioned(c storage.Caption) bool { return c.Text != "" || c.Model != "" || c.Edited }

// clean makes s a text that Postgres takes: cameras write bytes of any kind,
// and one refused value would cost the whole batch.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// jsonList is a list of texts as Postgres takes it; nil for none.
func jsonList(texts []string) *string {
	kept := cleanList(texts)
	if len(kept) == 0 {
		return nil
	}
	encoded, _ := json.Marshal(kept) // which cannot fail with strings
	list := string(encoded)
	return &list
}

func cleanList(texts []string) (kept []string) {
	for _, text := range texts {
		if text = clean(text); text != "" {
			kept = append(kept, text)
		}
	}
	return kept
}

// sidecarJSON is what a sidecar says as Postgres takes it; nil for nothing.
func sidecarJSON(s *storage.Sidecar) *string {
	if s == nil {
		return nil
	}
	cleaned := storage.Sidecar{
		Title: clean(s.Title), Description: clean(s.Description),
		Keywords: cleanList(s.Keywords), People: cleanList(s.People),
	}
	if s.Rating != nil {
		cleaned.Rating = new(min(max(*s.Rating, 0), 5))
	}
	if cleaned.IsZero() {
		return nil
	}
	encoded, _ := json.Marshal(cleaned) // as above
	text := string(encoded)
	return &text
}

// plausibleOffset drops a distance from UTC of a day or more: no zone has it,
// and the column would refuse the batch.
func plausibleOffset(minutes *int) *int {
	const day = 24 * 60
	if minutes == nil || *minutes <= -day || *minutes >= day {
		return nil
	}
	return minutes
}

func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
