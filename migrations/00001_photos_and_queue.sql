-- +goose Up

-- The identity of what this database holds. A restore must renew epoch, so
-- that readers of the change feed start again.
CREATE TABLE meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO meta DEFAULT VALUES;

CREATE TABLE models (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       text NOT NULL UNIQUE,
    name       text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now()
);

-- Roots that a person asked to be indexed. Paths are bytes everywhere: names
-- on Linux need not be UTF-8.
CREATE TABLE folders (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path       bytea NOT NULL,
    present    boolean NOT NULL DEFAULT true, -- could be listed at its last scan
    scanned_at timestamptz                    -- the end of the last full scan
);
-- A path may have 4,095 bytes, an entry of a btree about 2,700.
CREATE UNIQUE INDEX folders_path ON folders (sha256(path));

-- What is known about one content, whatever its files. Rows stay when their
-- last file goes: then they are what tells the search index to forget.
CREATE TABLE photos (
    id             bytea PRIMARY KEY CHECK (length(id) = 32),      -- SHA-256 of the file
    pixels         bytea NOT NULL CHECK (length(pixels) = 32),     -- SHA-256 of what the model saw
    format         text NOT NULL,
    width          integer NOT NULL,
    height         integer NOT NULL,
    damaged        boolean NOT NULL,
    taken_clock    timestamp,        -- as the camera's clock showed it
    taken_offset   smallint,         -- minutes from UTC; null: not said
    make           text,
    camera         text,
    lens           text,
    exposure_time  double precision, -- seconds
    f_number       double precision,
    iso            bigint,
    focal_length   double precision, -- millimetres
    lat            double precision,
    lon            double precision,
    caption        text,             -- null: not captioned yet
    caption_score  double precision NOT NULL DEFAULT 0,
    caption_unsure boolean NOT NULL DEFAULT false,
    caption_edited boolean NOT NULL DEFAULT false, -- by a person: never overwritten
    model_id       integer REFERENCES models,
    words          bytea,            -- picture words, one byte each; their meaning is the model's
    changed_in     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    added_at       timestamptz NOT NULL DEFAULT now(),
    CHECK ((lat IS NULL) = (lon IS NULL))
);
CREATE INDEX photos_feed ON photos (changed_in, id);
CREATE INDEX photos_pixels ON photos USING hash (pixels);
-- Counts for status, without a look at the rows.
CREATE INDEX photos_models ON photos (model_id, caption_edited, caption_unsure) WHERE caption IS NOT NULL;

-- The files of the folders, and the queue.
CREATE TABLE files (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    folder_id       bigint NOT NULL REFERENCES folders,
    path            bytea NOT NULL CHECK (length(path) > 0), -- relative to the folder
    size            bigint NOT NULL,
    mtime_ns        bigint NOT NULL,
    present         boolean NOT NULL DEFAULT true,
    state           text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'leased', 'done', 'failed', 'unsupported')),
    attempts        integer NOT NULL DEFAULT 0, -- leases since the content changed
    lease_owner     text,
    lease_ends      timestamptz,
    photo_id        bytea REFERENCES photos,    -- null until a worker has read the file
    error_code      text,
    error_text      text,
    failed_at       timestamptz,                -- the first failure of this content
    decoder_version integer,                    -- of the decoders that said unsupported
    CHECK ((state = 'leased') = (lease_owner IS NOT NULL)),
    CHECK ((state = 'leased') = (lease_ends IS NOT NULL)),
    CHECK ((state IN ('failed', 'unsupported')) = (error_code IS NOT NULL)),
    CHECK (state <> 'done' OR photo_id IS NOT NULL)
) WITH (autovacuum_vacuum_scale_factor = 0.05); -- every photo leaves two dead rows behind

-- Unique by path and in byte order of the paths. The third column is only for
-- paths that are too long for an entry of a btree.
CREATE UNIQUE INDEX files_path ON files
    (folder_id, substring(path FROM 1 FOR 2000), (CASE WHEN length(path) > 2000 THEN sha256(path) ELSE '' END));
CREATE INDEX files_queue ON files (folder_id, id) WHERE present AND state IN ('pending', 'leased');
CREATE INDEX files_leases ON files (lease_owner, id) WHERE state = 'leased';
CREATE INDEX files_failures ON files (id) WHERE state IN ('failed', 'unsupported');
CREATE INDEX files_photo ON files USING hash (photo_id) WHERE photo_id IS NOT NULL;

-- How many files are in each state, as the sum of n: every statement on files
-- adds what it changed, so that writers never wait for each other, and
-- fold_file_counts adds the rows up now and then.
CREATE TABLE file_counts (
    folder_id bigint NOT NULL,
    state     text NOT NULL,
    present   boolean NOT NULL,
    n         bigint NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION fold_file_counts() RETURNS void LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM file_counts
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM file_counts FOR UPDATE SKIP LOCKED))
        RETURNING folder_id, state, present, n)
    INSERT INTO file_counts (folder_id, state, present, n)
    SELECT folder_id, state, present, sum(n) FROM gone GROUP BY 1, 2, 3 HAVING sum(n) <> 0
$$;
-- +goose StatementEnd

-- The change feed: photos.changed_in names the transaction that last changed
-- what search shows of a photo: its row, the paths and presence of its files,
-- the paths of their folders. Leases and failures do not count.
--
-- The triggers of files run once a statement, whatever it touched, so they
-- EXECUTE: a plan that was kept from a statement on no row at all is cubic on
-- one of hundreds.

-- +goose StatementBegin
CREATE FUNCTION photos_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_in := pg_current_xact_id();
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER photos_changed BEFORE UPDATE ON photos FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION photos_changed();

-- +goose StatementBegin
CREATE FUNCTION files_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO file_counts SELECT folder_id, state, present, count(*) FROM new_files GROUP BY 1, 2, 3;
    EXECUTE 'UPDATE photos SET changed_in = pg_current_xact_id()
        WHERE changed_in <> pg_current_xact_id() AND id IN (SELECT photo_id FROM new_files)';
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER files_inserted AFTER INSERT ON files REFERENCING NEW TABLE AS new_files
    FOR EACH STATEMENT EXECUTE FUNCTION files_inserted();

-- +goose StatementBegin
CREATE FUNCTION files_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO file_counts
    SELECT folder_id, state, present, sum(n) FROM (
        SELECT folder_id, state, present, -1 AS n FROM old_files
        UNION ALL
        SELECT folder_id, state, present, 1 FROM new_files) AS moves
    GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
    EXECUTE 'UPDATE photos SET changed_in = pg_current_xact_id()
        WHERE changed_in <> pg_current_xact_id() AND id IN (
            SELECT unnest(ARRAY[o.photo_id, n.photo_id])
            FROM old_files o JOIN new_files n USING (id)
            WHERE (o.folder_id, o.path, o.present, o.photo_id)
                IS DISTINCT FROM (n.folder_id, n.path, n.present, n.photo_id))';
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER files_updated AFTER UPDATE ON files REFERENCING OLD TABLE AS old_files NEW TABLE AS new_files
    FOR EACH STATEMENT EXECUTE FUNCTION files_updated();

-- +goose StatementBegin
CREATE FUNCTION files_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO file_counts SELECT folder_id, state, present, -count(*) FROM old_files GROUP BY 1, 2, 3;
    EXECUTE 'UPDATE photos SET changed_in = pg_current_xact_id()
        WHERE changed_in <> pg_current_xact_id() AND id IN (SELECT photo_id FROM old_files)';
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER files_deleted AFTER DELETE ON files REFERENCING OLD TABLE AS old_files
    FOR EACH STATEMENT EXECUTE FUNCTION files_deleted();

-- +goose StatementBegin
CREATE FUNCTION folders_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE photos SET changed_in = pg_current_xact_id()
    WHERE id IN (SELECT photo_id FROM files WHERE folder_id = NEW.id);
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER folders_moved AFTER UPDATE OF path ON folders FOR EACH ROW
    WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION folders_moved();
