-- Records the dataset of a retraining. A retraining that starts again records what is known by then.
-- params: run_id, model, query_sha256, fingerprint text; as_of, since, first_created_at, last_created_at timestamptz;
--   row_count bigint
-- returns: nothing
INSERT INTO dataset (
    run_id, model, as_of, since, row_count, first_created_at, last_created_at, query_sha256, fingerprint
)
VALUES (
    %(run_id)s::text,
    %(model)s::text,
    %(as_of)s::timestamptz,
    %(since)s::timestamptz,
    %(row_count)s::bigint,
    %(first_created_at)s::timestamptz,
    %(last_created_at)s::timestamptz,
    %(query_sha256)s::text,
    %(fingerprint)s::text
)
ON CONFLICT (model, run_id) DO UPDATE
    SET
        as_of = excluded.as_of,
        since = excluded.since,
        row_count = excluded.row_count,
        first_created_at = excluded.first_created_at,
        last_created_at = excluded.last_created_at,
        query_sha256 = excluded.query_sha256,
        fingerprint = excluded.fingerprint
