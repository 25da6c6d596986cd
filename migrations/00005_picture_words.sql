-- +goose Up

-- What a model's words and classes mean, so that a search index is built from
-- this database alone.
ALTER TABLE models ADD COLUMN vocabulary jsonb; -- null: recorded before they were kept

-- What people wrote into the files. A list is a JSON array: a batch of rows is
-- unnested, which would take an array of arrays apart.
ALTER TABLE photos
    ADD COLUMN title       text,
    ADD COLUMN description text,
    ADD COLUMN keywords    jsonb,
    ADD COLUMN people      jsonb,
    ADD COLUMN rating      smallint, -- 1 to 5
    DROP COLUMN words;               -- nothing has ever written it

-- What a model said of a photo besides its caption.
--
-- The words are a table's and no column of photos, because every stamp of the
-- change feed copies the row. As a TOASTed column they would be left in the row
-- all the same: whatever toast_tuple_target says, TOAST does nothing to a row
-- of less than 2,032 bytes, and with 1,521 words most have less.
CREATE TABLE seen (
    photo_id bytea NOT NULL REFERENCES photos,
    model_id integer NOT NULL REFERENCES models, -- it, not that of the caption, says what the rest means
    words    bytea,          -- evidence of each word, a byte: 128 + 16 x log-odds in nats
    classes  bytea NOT NULL, -- the likeliest first, 3 bytes each: place (high byte first), probability x 255
    others   jsonb,          -- the captions not chosen, the best first: text, likelihood in nats
    -- With the model, so that who looks for other models' reads no words.
    PRIMARY KEY (photo_id) INCLUDE (model_id)
);

-- Search shows it: the change feed is stamped.
-- +goose StatementBegin
CREATE FUNCTION seen_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE photos SET changed_in = pg_current_xact_id()
        WHERE changed_in <> pg_current_xact_id() AND id IN (SELECT photo_id FROM changed)';
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER seen_inserted AFTER INSERT ON seen REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION seen_changed();
CREATE TRIGGER seen_updated AFTER UPDATE ON seen REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION seen_changed();
CREATE TRIGGER seen_deleted AFTER DELETE ON seen REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION seen_changed();
