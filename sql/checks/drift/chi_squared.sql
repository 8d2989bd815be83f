-- Pearson's chi-squared statistic of each feature, and of the prediction, between the window and the reference.
-- It is the sum over bins of (p - q)^2 / r / (1/n + 1/m). p and q are the shares in the window and in the reference, r
-- is the share in both together, and n and m are their numbers of rows. It has one degree of freedom fewer than there
-- are bins with rows. It equals SciPy's chi2_contingency without Yates' correction.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature, or `prediction`), value, sample_size (rows in the window)
WITH total AS (
    SELECT
        feature,
        bin,
        observed,
        p,
        q,
        sum(observed) OVER (PARTITION BY feature)::double precision AS n,
        sum(expected) OVER (PARTITION BY feature)::double precision AS m
    FROM window_bins(
        %(model)s::text, %(version)s::integer, %(window_start)s::timestamptz, %(window_end)s::timestamptz
    )
)

SELECT
    feature AS subject,
    CASE
        WHEN min(n) > 0 AND min(m) > 0
            THEN sum((p - q) ^ 2 * n * m / nullif(n * p + m * q, 0) ORDER BY bin)
    END AS value,
    sum(observed)::bigint AS sample_size
FROM total
GROUP BY feature
