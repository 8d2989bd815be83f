-- One metric of a version by day, over the days of a window whose labels count. A day has the rows whose label was due
-- in it, `label_delay` after the prediction. They count with the labels that were known before the window's end.
-- Where labels come in loads, `label_load` apart, the newest days of the window wait for the next load. Then days
-- before the window stand in for them, and a day counts only when at least half as much of it is labelled as of the
-- best day.
-- Without loads (0) every labelled day of the window counts, up to the newest one that is labelled half as much as the
-- best day. What comes after it waits for most of its labels, and those that come early are often of one kind.
CREATE OR REPLACE FUNCTION labelled_day(
    of_model text,
    of_version integer,
    window_start timestamptz,
    window_end timestamptz,
    label_delay interval,
    label_load interval,
    of_metric text
) RETURNS TABLE (
    day timestamptz,
    samples bigint,
    total double precision,
    weight double precision
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH hour AS (
    SELECT
        error_rollup.bucket_start,
        error_rollup.count::numeric AS count,
        metric.total,
        metric.weight
    FROM error_rollup
    CROSS JOIN LATERAL (
        VALUES
        ('bias', sum_prediction - sum_label, error_rollup.count::numeric),
        ('brier_score', sum_brier, error_rollup.count::numeric),
        ('log_loss', sum_log_loss, error_rollup.count::numeric),
        ('mean_absolute_error', sum_absolute_error, error_rollup.count::numeric),
        ('mean_squared_error', sum_squared_error, error_rollup.count::numeric),
        ('weighted_absolute_percentage_error', sum_absolute_error, sum_absolute_label)
    ) AS metric (name, total, weight)
    WHERE
        error_rollup.model = of_model
        AND error_rollup.version = of_version
        AND error_rollup.bucket_start >= window_start - label_load - label_delay
        AND error_rollup.bucket_start < window_end - label_delay
        AND error_rollup.known_day < window_end
        AND metric.name = of_metric
        AND metric.total IS NOT NULL
    UNION ALL
    SELECT
        bucket_start,
        count::numeric AS count,
        CASE WHEN predicted != label THEN count ELSE 0 END::numeric AS total,
        count::numeric AS weight
    FROM confusion_rollup
    WHERE
        model = of_model
        AND version = of_version
        AND bucket_start >= window_start - label_load - label_delay
        AND bucket_start < window_end - label_delay
        AND known_day < window_end
        AND of_metric = 'error_rate'
),

labelled AS (
    SELECT
        date_trunc('day', bucket_start + label_delay, 'UTC') AS day,
        sum(count) AS samples,
        sum(total) AS total,
        sum(weight) AS weight
    FROM hour
    GROUP BY date_trunc('day', bucket_start + label_delay, 'UTC')
    HAVING sum(count) > 0
),

answered AS (
    SELECT
        date_trunc('day', bucket_start + label_delay, 'UTC') AS day,
        sum(count) AS rows
    FROM row_rollup
    WHERE
        model = of_model
        AND version = of_version
        AND bucket_start >= window_start - label_load - label_delay
        AND bucket_start < window_end - label_delay
    GROUP BY date_trunc('day', bucket_start + label_delay, 'UTC')
),

covered AS (
    SELECT
        labelled.*,
        labelled.samples / coalesce(answered.rows, labelled.samples) AS share
    FROM labelled
    LEFT JOIN answered ON labelled.day = answered.day
),

whole AS (
    SELECT day
    FROM covered
    WHERE share >= (SELECT max(best.share) / 2 FROM covered AS best)
)

SELECT
    day,
    samples::bigint,
    total::double precision,
    weight::double precision
FROM covered
WHERE
    day IN (SELECT whole.day FROM whole)
    OR (label_load = interval '0' AND day < (SELECT max(whole.day) FROM whole))
ORDER BY day DESC
LIMIT ceil(extract(EPOCH FROM window_end - window_start) / 86400)
$$
