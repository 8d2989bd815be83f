-- Share of the answered rows that are not in the log, by the loss ledger.
-- They were dropped, were refused by Postgres, or are still in a spool.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject, value (0..1), sample_size (rows that should be there)
SELECT
    'all' AS subject,
    sum(expected - stored - repeated)::double precision / nullif(sum(expected), 0) AS value,
    coalesce(sum(expected), 0)::bigint AS sample_size
FROM log_window_completeness
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND window_start >= %(window_start)s::timestamptz
    AND window_start < %(window_end)s::timestamptz
