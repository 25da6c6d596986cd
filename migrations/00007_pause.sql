-- +goose Up

-- Since when workers take nothing new, because a person said so; null: they do.
-- A backup does not hold it: what is restored is not paused.
ALTER TABLE meta ADD COLUMN paused_at timestamptz;
