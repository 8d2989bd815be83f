-- What became of a model's answered rows by hour of event time.
-- params: model text, since timestamptz, until timestamptz
-- returns: start timestamptz; expected, stored, repeated, conflicting, dropped, set_aside, pending bigint.
--   The oldest first
SELECT
    window_start AS start,
    sum(expected)::bigint AS expected,
    sum(stored)::bigint AS stored,
    sum(repeated)::bigint AS repeated,
    sum(conflicting)::bigint AS conflicting,
    sum(dropped)::bigint AS dropped,
    sum(set_aside)::bigint AS set_aside,
    sum(pending)::bigint AS pending
FROM log_window_completeness
WHERE
    model = %(model)s::text
    AND window_start >= %(since)s::timestamptz
    AND window_start < %(until)s::timestamptz
GROUP BY window_start
ORDER BY window_start
