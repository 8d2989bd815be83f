-- Adds the served rows that are news to the hours of their event time.
-- params: model text, since text, now text (both a pg_snapshot)
-- returns: the hours with news: version integer, bucket_start timestamptz, count bigint (of all their rows),
--   sample_level integer (so far)
INSERT INTO row_rollup AS known (model, version, bucket_start, count)
SELECT
    %(model)s::text AS model,
    version,
    date_bin('1 hour', created_at, '2000-01-01T00:00Z') AS bucket_start,
    count(*) AS count
FROM prediction_log
WHERE
    model = %(model)s::text
    AND version IS NOT NULL
    AND became_visible(stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
GROUP BY version, date_bin('1 hour', created_at, '2000-01-01T00:00Z')
ON CONFLICT (model, version, bucket_start) DO UPDATE SET count = known.count + excluded.count
RETURNING known.version, known.bucket_start, known.count, known.sample_level
