-- The model with the most answered rows, and the days of event time in which they were answered. Hours of 1970 stand
-- for rows whose hour is not known.
-- returns: model text, since timestamptz, until timestamptz, or no row
SELECT
    model,
    date_trunc('day', min(window_start), 'UTC') AS since,
    date_trunc('day', max(window_start), 'UTC') + interval '1 day' AS until
FROM log_window_completeness
WHERE window_start > '1971-01-01T00:00Z'
GROUP BY model
ORDER BY sum(expected) DESC, model
LIMIT 1
