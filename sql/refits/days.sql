-- The scored days of refits that were known at a moment, with one error for each window of training.
-- params: model text, since timestamptz, at timestamptz
-- returns: start timestamptz, version integer, rows bigint, error double precision, refit_errors jsonb (the days of the
--   window, 0 for all, and the error). The oldest first.
SELECT
    day AS start,
    version,
    max(row_count) AS rows,
    max(error) AS error,
    jsonb_object_agg(window_days, refit_error) AS refit_errors
FROM refit_score
WHERE
    model = %(model)s::text
    AND day >= %(since)s::timestamptz
    AND known_at <= %(at)s::timestamptz
    AND refit_error IS NOT NULL
GROUP BY day, version
ORDER BY day, version
