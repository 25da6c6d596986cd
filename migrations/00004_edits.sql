-- +goose Up

-- The captions that people wrote: a row for each photo with caption_edited,
-- and what the model had written, for the way back. The caption itself is in
-- photos.
CREATE TABLE edits (
    photo_id       bytea PRIMARY KEY REFERENCES photos,
    edited_at      timestamptz NOT NULL DEFAULT now(),
    model_caption  text,             -- null: none is known, the model is asked again
    caption_score  double precision NOT NULL DEFAULT 0,
    caption_unsure boolean NOT NULL DEFAULT false
);
