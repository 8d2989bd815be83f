-- The number of a version's rows that became visible between two snapshots, in some hours of event time.
-- params: model text, version integer, since text, now text (both a pg_snapshot), hours timestamptz[]
-- returns: bucket_start timestamptz, count bigint
SELECT
    date_bin('1 hour', created_at, '2000-01-01T00:00Z') AS bucket_start,
    count(*) AS count
FROM prediction_log
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND became_visible(stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
    AND date_bin('1 hour', created_at, '2000-01-01T00:00Z') = any(%(hours)s::timestamptz[])
GROUP BY date_bin('1 hour', created_at, '2000-01-01T00:00Z')
