-- Population stability index of each feature, and of the prediction, against the version's reference profile.
-- It is the sum over bins of (p - q) * ln(p / q), where p is the share in the window and q the share in the reference.
-- A share below 0.0001 counts as 0.0001, so that an empty bin gives no infinity. Evidently takes the same number.
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
