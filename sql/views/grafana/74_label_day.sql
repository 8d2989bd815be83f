-- A version's answered rows by day, and how many of them have a label by now.
CREATE OR REPLACE VIEW label_day AS
WITH labelled AS (
    SELECT
        model,
        version,
        date_trunc('day', bucket_start, 'UTC') AS day,
        sum(count)::bigint AS labelled
    FROM error_rollup
    GROUP BY model, version, date_trunc('day', bucket_start, 'UTC')
)

SELECT
    answered.model,
    answered.version,
    answered.day,
    answered.rows,
    coalesce(labelled.labelled, 0) AS labelled,
    least(1, coalesce(labelled.labelled, 0) / answered.rows::double precision) AS labelled_share
FROM (
    SELECT
        model,
        version,
        date_trunc('day', bucket_start, 'UTC') AS day,
        sum(count)::bigint AS rows
    FROM row_rollup
    GROUP BY model, version, date_trunc('day', bucket_start, 'UTC')
) AS answered
LEFT JOIN
    labelled
    ON answered.model = labelled.model AND answered.version = labelled.version AND answered.day = labelled.day
WHERE answered.rows > 0
