-- The newest hours of event time of which not every row is in the log.
-- params: model text (empty: every model), newest integer (how many at most)
-- returns: model, revision, window_start, expected, stored, repeated, conflicting, dropped, set_aside, pending,
--   completeness
SELECT
    model,
    revision,
    window_start,
    expected,
    stored,
    repeated,
    conflicting,
    dropped,
    set_aside,
    pending,
    completeness
FROM log_window_completeness
WHERE %(model)s::text IN ('', model) AND stored + repeated < expected
ORDER BY window_start DESC, model ASC, revision ASC
LIMIT %(newest)s::integer
