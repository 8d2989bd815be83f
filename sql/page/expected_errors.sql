-- The error that is expected of each version before labels come, at the end of each window.
-- params: model text, since timestamptz, until timestamptz
-- returns: version integer; at timestamptz; value double precision; the oldest first
SELECT
    version,
    window_end AS at,
    max(value) AS value
FROM current_verdict
WHERE
    model = %(model)s::text
    AND kind = 'estimate'
    AND subject = 'all'
    AND value IS NOT NULL
    AND window_end >= %(since)s::timestamptz
    AND window_end <= %(until)s::timestamptz
GROUP BY version, window_end
ORDER BY version, window_end
