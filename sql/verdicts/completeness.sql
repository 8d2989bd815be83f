-- The share of a version's answered rows that are in the log, over a window of event time.
-- params: model text, version integer, window_start, window_end timestamptz (whole hours)
-- returns: completeness (0..1), NULL when the ledger has no row of the window
SELECT sum(stored + repeated)::double precision / nullif(sum(expected), 0) AS completeness
FROM log_window_completeness
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND window_start >= %(window_start)s::timestamptz
    AND window_start < %(window_end)s::timestamptz
