-- A version's mean error on each labelled day of a window: see labelled_day().
-- A day that began before the first label of the version was due is left out, as another version served part of it.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (both 00:00 UTC),
--   label_delay interval, label_load interval, metric text
-- returns: start timestamptz, error double precision, rows bigint. The oldest first.
WITH first_row AS (
    SELECT min(bucket_start) AS at
    FROM error_rollup
    WHERE model = %(model)s::text AND version = %(version)s::integer
)

SELECT
    labelled.day AS start,
    labelled.total / labelled.weight AS error,
    labelled.samples AS rows
FROM
    labelled_day(
        %(model)s::text,
        %(version)s::integer,
        %(window_start)s::timestamptz,
        %(window_end)s::timestamptz,
        %(label_delay)s::interval,
        %(label_load)s::interval,
        %(metric)s::text
    ) AS labelled
CROSS JOIN first_row
WHERE labelled.day >= first_row.at + %(label_delay)s::interval
ORDER BY labelled.day
