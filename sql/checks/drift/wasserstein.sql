-- Wasserstein distance of each number, and of the prediction, from the version's reference profile.
-- It is the area between the two distribution functions, in standard deviations of the reference. Each row lies in the
-- middle of its bin. So it differs from SciPy's wasserstein_distance on the rows themselves by at most half a bin's
-- width on average. Evidently divides by the standard deviation too.
-- A reference of one number has no deviation. There the value is the share of rows that the window has elsewhere.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature of numbers, or `prediction`), value, sample_size (rows in the window with the number)
WITH bins AS (
    SELECT
        feature,
        bin,
        center,
        observed,
        q / nullif(sum(q) OVER feature_bins, 0) AS q,
        sum(p) OVER lower_bins / nullif(sum(p) OVER feature_bins, 0) AS below_p,
        sum(q) OVER lower_bins / nullif(sum(q) OVER feature_bins, 0) AS below_q,
        lead(center) OVER lower_bins - center AS gap
    FROM
        window_bins(
            %(model)s::text, %(version)s::integer, %(window_start)s::timestamptz, %(window_end)s::timestamptz
        )
    WHERE is_number
    WINDOW
        feature_bins AS (PARTITION BY feature),
        lower_bins AS (PARTITION BY feature ORDER BY bin)
),

mean AS (
    SELECT
        feature,
        sum(q * center ORDER BY bin) AS center,
        max(abs(center)) AS largest
    FROM bins
    GROUP BY feature
),

spread AS (
    SELECT
        mean.feature,
        min(mean.largest) AS largest,
        sqrt(sum(bins.q * bounded_float(bins.center - mean.center) ^ 2 ORDER BY bins.bin)) AS deviation
    FROM bins
    INNER JOIN mean ON bins.feature = mean.feature
    GROUP BY mean.feature
)

SELECT
    bins.feature AS subject,
    CASE
        WHEN min(spread.deviation) > 1e-9 * min(spread.largest)
            THEN sum(abs(bins.below_p - bins.below_q) * bins.gap ORDER BY bins.bin) / min(spread.deviation)
        ELSE max(abs(bins.below_p - bins.below_q))
    END AS value,
    sum(bins.observed)::bigint AS sample_size
FROM bins
INNER JOIN spread ON bins.feature = spread.feature
GROUP BY bins.feature
