-- The dataset of a retraining.
-- params: model, run_id text
-- returns: as_of, since (NULL for everything), row_count, first_created_at, last_created_at, query_sha256, fingerprint
SELECT
    as_of,
    nullif(since, '-infinity') AS since,
    row_count,
    first_created_at,
    last_created_at,
    query_sha256,
    fingerprint
FROM dataset
WHERE model = %(model)s::text AND run_id = %(run_id)s::text
