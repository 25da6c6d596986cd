-- +goose Up

-- What people wrote in a file beside a picture, an XMP sidecar, is the file's
-- and not the photo's: copies of a photo may have different ones. Adding these
-- columns touches no row.
ALTER TABLE files
    ADD COLUMN sidecar_size     bigint, -- null: there is none
    ADD COLUMN sidecar_mtime_ns bigint,
    ADD COLUMN sidecar          jsonb,  -- what it says; null: nothing
    -- Pending because of the sidecar alone: the picture is known, photo_id.
    ADD COLUMN only_sidecar     boolean NOT NULL DEFAULT false;

-- Search shows what a sidecar says: the change feed is stamped.
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
            WHERE (o.folder_id, o.path, o.present, o.photo_id, o.sidecar)
                IS DISTINCT FROM (n.folder_id, n.path, n.present, n.photo_id, n.sidecar))';
    RETURN NULL;
END $$;
-- +goose StatementEnd
