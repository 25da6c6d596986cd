package postgres

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"shoebox/storage"
)

// RecordModel remembers a model that is about to write captions; the name it
// was first recorded with stays, and so does a vocabulary.
func (s *Store) RecordModel(ctx context.Context, hash, name string, vocabulary storage.Vocabulary) error {
	var known *storage.Vocabulary
	if len(vocabulary.Words)+len(vocabulary.Classes) > 0 {
		known = &vocabulary
	}
	_, err := s.pool.Exec(ctx, `
		INSERT INTO models (hash, name, vocabulary)
		SELECT $1::text, $2::text, $3::jsonb
		WHERE NOT EXISTS (SELECT 1 FROM models WHERE hash = $1 AND (vocabulary IS NOT NULL OR $3 IS NULL))
		ON CONFLICT (hash) DO UPDATE SET vocabulary = excluded.vocabulary WHERE models.vocabulary IS NULL`,
		hash, clean(name), known)
	return s.failed("recording the model", err)
}

// Vocabulary returns that of a recorded model.
func (s *Store) Vocabulary(ctx context.Context, hash string) (storage.Vocabulary, error) {
	var vocabulary *storage.Vocabulary
	err := s.pool.QueryRow(ctx, `SELECT vocabulary FROM models WHERE hash = $1`, hash).Scan(&vocabulary)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && vocabulary == nil {
		return storage.Vocabulary{}, fmt.Errorf("model %s: %w", hash, storage.ErrUnknownModel)
	}
	if err != nil {
		return storage.Vocabulary{}, s.failed("reading the vocabulary of model "+hash, err)
	}
	return *vocabulary, nil
}

// keepSeen stores what was seen in photos, which are locked. What was seen
// before in those of again is replaced, and that of others stays.
func keepSeen(ctx context.Context, tx pgx.Tx, photos []*storage.Photo, models map[string]int32, again [][]byte) error {
	var ids, words, classes [][]byte
	var by []int32
	var others []*string
	for _, p := range photos {
		if p.Seen.Model == "" {
			continue
		}
		text, err := otherCaptions(p.Seen.Others)
		if err != nil {
			return fmt.Errorf("captions of photo %s: %w", p.ID, err)
		}
		ids, by = append(ids, p.ID[:]), append(by, models[p.Seen.Model])
		words, classes = append(words, p.Seen.Words), append(classes, encodeClasses(p.Seen.Classes))
		others = append(others, text)
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO seen AS s (photo_id, model_id, words, classes, others)
		SELECT r.* FROM unnest($1::bytea[], $2::integer[], $3::bytea[], $4::bytea[], $5::jsonb[])
			AS r (photo_id, model_id, words, classes, others)
		ORDER BY r.photo_id
		ON CONFLICT (photo_id) DO UPDATE SET
			model_id = excluded.model_id, words = excluded.words, classes = excluded.classes, others = excluded.others
		WHERE s.photo_id = ANY ($6)`, ids, by, words, classes, others, again)
	return err
}

// otherCaptions are captions as JSON that Postgres takes; nil for none.
func otherCaptions(others []storage.OtherCaption) (*string, error) {
	if len(others) == 0 {
		return nil, nil
	}
	cleaned := slices.Clone(others)
	for i := range cleaned {
		cleaned[i].Text = clean(cleaned[i].Text)
	}
	encoded, err := json.Marshal(cleaned)
	text := string(encoded)
	return &text, err
}

// classShare is how many bytes a class takes: its place in two, its probability
// in one.
const classShare = 3

func encodeClasses(shares []storage.ClassShare) []byte {
	encoded := make([]byte, 0, classShare*len(shares))
	for _, share := range shares {
		encoded = binary.BigEndian.AppendUint16(encoded, uint16(share.Class))
		encoded = append(encoded, byte(math.Round(min(max(share.Probability, 0), 1)*math.MaxUint8)))
	}
	return encoded
}

// classShares scans what encodeClasses wrote.
type classShares []storage.ClassShare

// ScanBytes implements pgtype.BytesScanner.
func (c *classShares) ScanBytes(encoded []byte) error {
	if len(encoded)%classShare != 0 {
		return fmt.Errorf("classes of %d bytes, want %d each", len(encoded), classShare)
	}
	*c = nil
	for ; len(encoded) > 0; encoded = encoded[classShare:] {
		*c = append(*c, storage.ClassShare{
			Class:       int(binary.BigEndian.Uint16(encoded)),
			Probability: float64(encoded[2]) / math.MaxUint8,
		})
	}
	return nil
}
