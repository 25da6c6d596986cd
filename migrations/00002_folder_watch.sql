-- +goose Up

-- What the last look at a root said, and how it is watched.
ALTER TABLE folders
    ADD COLUMN problem       text,        -- why the last scan changed nothing; null: it was fine
    ADD COLUMN file_system   text,        -- which one the root was on at the last full scan
    ADD COLUMN watch_mode    text CHECK (watch_mode IN ('watched', 'partly', 'polled')), -- null: nobody watches
    ADD COLUMN watch_reason  text,        -- why it is not watched, or not all of it
    ADD COLUMN watch_seen_at timestamptz; -- when the watcher last said so
