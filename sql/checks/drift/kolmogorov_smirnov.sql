-- Kolmogorov-Smirnov distance of each number, and of the prediction, from the version's reference profile.
-- It is the largest difference of the shares below an edge of the reference's bins, among rows that have the number.
-- SciPy's ks_2samp on the rows themselves is larger by at most the largest share of a bin.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature of numbers, or `prediction`), value (0..1), sample_size (rows in the window with it)
WITH below AS (
    SELECT
        feature,
        observed,
        sum(p) OVER lower_bins / nullif(sum(p) OVER feature_bins, 0) AS p,
        sum(q) OVER lower_bins / nullif(sum(q) OVER feature_bins, 0) AS q
    FROM
        window_bins(
            %(model)s::text, %(version)s::integer, %(window_start)s::timestamptz, %(window_end)s::timestamptz
        )
    WHERE is_number
    WINDOW
        feature_bins AS (PARTITION BY feature),
        lower_bins AS (PARTITION BY feature ORDER BY bin)
)

SELECT
    feature AS subject,
    max(abs(p - q)) AS value,
    sum(observed)::bigint AS sample_size
FROM below
GROUP BY feature
