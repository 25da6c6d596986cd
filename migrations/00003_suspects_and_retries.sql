-- +goose Up

ALTER TABLE files
    -- A lease on it ended without a result: whoever held it may have died of
    -- it, so it is tried alone, in a process of its own.
    ADD COLUMN suspect     boolean NOT NULL DEFAULT false,
    ADD COLUMN retry_after timestamptz, -- when a failure that may pass is tried again by itself
    ADD COLUMN recaption   boolean NOT NULL DEFAULT false, -- a new caption is asked for, the photo has one
    ADD CONSTRAINT files_retry_check CHECK (retry_after IS NULL OR state = 'failed');

CREATE INDEX files_retries ON files (folder_id, retry_after)
    WHERE present AND state = 'failed' AND retry_after IS NOT NULL;

-- The reasons are counted with the states.
ALTER TABLE file_counts
    ADD COLUMN error_code text,
    ADD COLUMN retry      boolean NOT NULL DEFAULT false; -- it will be tried again by itself
DELETE FROM file_counts WHERE state IN ('failed', 'unsupported');
INSERT INTO file_counts (folder_id, state, present, n, error_code)
SELECT folder_id, state, present, count(*), error_code FROM files
WHERE state IN ('failed', 'unsupported') GROUP BY 1, 2, 3, 5;

-- Failures are listed in the order of their paths.
DROP INDEX files_failures;
CREATE INDEX files_failures ON files (folder_id, substring(path FROM 1 FOR 2000))
    WHERE present AND state IN ('failed', 'unsupported');

-- How many photos have a caption, by who wrote it, as the sum of n, as in
-- file_counts. It replaces counting ten million entries of an index.
CREATE TABLE photo_counts (
    model_id integer,
    edited   boolean NOT NULL,
    unsure   boolean NOT NULL,
    n        bigint NOT NULL
);
INSERT INTO photo_counts
SELECT model_id, caption_edited, caption_unsure, count(*) FROM photos WHERE caption IS NOT NULL GROUP BY 1, 2, 3;
DROP INDEX photos_models;

-- What workers finished in the last minutes, a row a commit: where the photos
-- a second of `status` come from. fold_counts forgets the rest.
CREATE TABLE recent_work (
    at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    owner text NOT NULL,
    files integer NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION fold_counts() RETURNS void LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM file_counts
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM file_counts FOR UPDATE SKIP LOCKED))
        RETURNING *)
    INSERT INTO file_counts (folder_id, state, present, error_code, retry, n)
    SELECT folder_id, state, present, error_code, retry, sum(n) FROM gone GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0;
    WITH gone AS (
        DELETE FROM photo_counts
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM photo_counts FOR UPDATE SKIP LOCKED))
        RETURNING *)
    INSERT INTO photo_counts (model_id, edited, unsure, n)
    SELECT model_id, edited, unsure, sum(n) FROM gone GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
    DELETE FROM recent_work WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM recent_work WHERE at < now() - interval '2 minutes' FOR UPDATE SKIP LOCKED))
$$;
-- +goose StatementEnd
DROP FUNCTION fold_file_counts();

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION files_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO file_counts (folder_id, state, present, error_code, retry, n)
    SELECT folder_id, state, present, error_code, retry_after IS NOT NULL, count(*) FROM new_files GROUP BY 1, 2, 3, 4, 5;
    EXECUTE 'UPDATE photos SET changed_in = pg_current_xact_id()
        WHERE changed_in <> pg_current_xact_id() AND id IN (SELECT photo_id FROM new_files)';
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION files_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO file_counts (folder_id, state, present, error_code, retry, n)
    SELECT folder_id, state, present, error_code, retry, sum(n) FROM (
        SELECT folder_id, state, present, error_code, retry_after IS NOT NULL AS retry, -1 AS n FROM old_files
        UNION ALL
        SELECT folder_id, state, present, error_code, retry_after IS NOT NULL, 1 FROM new_files) AS moves
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0;
    EXECUTE 'UPDATE photos SET changed_in = pg_current_xact_id()
        WHERE changed_in <> pg_current_xact_id() AND id IN (
            SELECT unnest(ARRAY[o.photo_id, n.photo_id])
            FROM old_files o JOIN new_files n USING (id)
            WHERE (o.folder_id, o.path, o.present, o.photo_id)
                IS DISTINCT FROM (n.folder_id, n.path, n.present, n.photo_id))';
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION files_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO file_counts (folder_id, state, present, error_code, retry, n)
    SELECT folder_id, state, present, error_code, retry_after IS NOT NULL, -count(*) FROM old_files GROUP BY 1, 2, 3, 4, 5;
    EXECUTE 'UPDATE photos SET changed_in = pg_current_xact_id()
        WHERE changed_in <> pg_current_xact_id() AND id IN (SELECT photo_id FROM old_files)';
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION photos_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO photo_counts (model_id, edited, unsure, n)
    SELECT model_id, caption_edited, caption_unsure, count(*) FROM new_photos WHERE caption IS NOT NULL GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER photos_inserted AFTER INSERT ON photos REFERENCING NEW TABLE AS new_photos
    FOR EACH STATEMENT EXECUTE FUNCTION photos_inserted();

-- +goose StatementBegin
CREATE FUNCTION photos_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO photo_counts (model_id, edited, unsure, n)
    SELECT model_id, caption_edited, caption_unsure, -count(*) FROM old_photos WHERE caption IS NOT NULL GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER photos_deleted AFTER DELETE ON photos REFERENCING OLD TABLE AS old_photos
    FOR EACH STATEMENT EXECUTE FUNCTION photos_deleted();

-- Row by row, because most updates only stamp the change feed and need not
-- be looked at: a caption is written once.
-- +goose StatementBegin
CREATE FUNCTION photos_recounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO photo_counts (model_id, edited, unsure, n)
    SELECT o.* FROM (VALUES (OLD.model_id, OLD.caption_edited, OLD.caption_unsure, -1)) AS o WHERE OLD.caption IS NOT NULL
    UNION ALL
    SELECT n.* FROM (VALUES (NEW.model_id, NEW.caption_edited, NEW.caption_unsure, 1)) AS n WHERE NEW.caption IS NOT NULL;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER photos_recounted AFTER UPDATE OF caption, model_id, caption_edited, caption_unsure ON photos FOR EACH ROW
    WHEN ((OLD.caption IS NULL, OLD.model_id, OLD.caption_edited, OLD.caption_unsure)
        IS DISTINCT FROM (NEW.caption IS NULL, NEW.model_id, NEW.caption_edited, NEW.caption_unsure))
    EXECUTE FUNCTION photos_recounted();
