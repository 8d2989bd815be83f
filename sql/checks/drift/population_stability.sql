-- Population stability index of each feature, and of the prediction, against the version's reference profile:
-- sum over bins of (p - q) * ln(p / q), p the share of rows in the window, q the share in the reference.
-- Shares below 0.0001 count as 0.0001 (what Evidently gives an empty bin), so that none gives an infinity.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature, or `prediction`), value, sample_size (rows in the window)
WITH share AS (
    SELECT
        feature,
        bin,
        observed,
        greatest(p, 0.0001) AS p,
        greatest(q, 0.0001) AS q
    FROM window_bins(
        %(model)s::text, %(version)s::integer, %(window_start)s::timestamptz, %(window_end)s::timestamptz
    )
)

SELECT
    feature AS subject,
    CASE WHEN sum(observed) > 0 THEN sum((p - q) * ln(p / q) ORDER BY bin) END AS value,
    sum(observed)::bigint AS sample_size
FROM share
GROUP BY feature
