-- Population stability index of each feature, and of the prediction, against the version's reference profile:
-- sum over bins of (p - q) * ln(p / q), p the share of rows in the window, q the share in the reference.
-- Shares below 0.0001 count as 0.0001 (what Evidently gives an empty bin), so that none gives an infinity.
-- Calendar features are left out: they move by themselves.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature, or `prediction`), value, sample_size (rows in the window)
WITH reference AS (
    SELECT
        feature,
        bin,
        count
    FROM reference_bin
    WHERE model = %(model)s::text AND version = %(version)s::integer AND NOT is_calendar
),

counted AS (
    SELECT
        feature,
        bin,
        count AS expected,
        0 AS observed
    FROM reference
    UNION ALL
    SELECT
        feature,
        bin,
        0 AS expected,
        count AS observed
    FROM feature_rollup
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND bucket_start >= %(window_start)s::timestamptz
        AND bucket_start < %(window_end)s::timestamptz
        AND feature IN (SELECT feature FROM reference)
),

binned AS (
    SELECT
        feature,
        bin,
        sum(expected)::double precision AS expected,
        sum(observed)::double precision AS observed
    FROM counted
    GROUP BY feature, bin
),

share AS (
    SELECT
        feature,
        bin,
        observed,
        greatest(observed / nullif(sum(observed) OVER (PARTITION BY feature), 0), 0.0001) AS p,
        greatest(expected / nullif(sum(expected) OVER (PARTITION BY feature), 0), 0.0001) AS q
    FROM binned
)

SELECT
    feature AS subject,
    CASE WHEN sum(observed) > 0 THEN sum((p - q) * ln(p / q) ORDER BY bin) END AS value,
    sum(observed)::bigint AS sample_size
FROM share
GROUP BY feature
