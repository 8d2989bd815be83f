-- One metric of the predictions whose newest label was observed in a window: the ratio of two sums, and its standard
-- error, which takes days as independent, their rows not. Every error check but for its last step is this.
CREATE OR REPLACE FUNCTION window_error(
    of_model text, of_version integer, window_start timestamptz, window_end timestamptz, of_metric text
) RETURNS TABLE (
    ratio double precision,
    standard_error double precision,
    sample_size bigint
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
        AND error_rollup.bucket_start >= window_start
        AND error_rollup.bucket_start < window_end
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
        AND bucket_start >= window_start
        AND bucket_start < window_end
        AND time_basis = 'label'
        AND of_metric = 'error_rate'
),

day AS (
    SELECT
        date_trunc('day', bucket_start, 'UTC') AS day,
        sum(count) AS samples,
        sum(total)::double precision AS total,
        sum(weight)::double precision AS weight
    FROM hour
    GROUP BY date_trunc('day', bucket_start, 'UTC')
),

window_total AS (
    SELECT
        coalesce(sum(samples), 0)::bigint AS samples,
        sum(total ORDER BY day) / nullif(sum(weight ORDER BY day), 0) AS ratio,
        array_agg(total ORDER BY day) AS totals,
        array_agg(weight ORDER BY day) AS weights
    FROM day
)

SELECT
    ratio,
    day_clustered_error(totals, weights, ratio) AS standard_error,
    samples AS sample_size
FROM window_total
$$
