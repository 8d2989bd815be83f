-- Empties hours of the error roll-up before they are summed again.
-- params: model text, start timestamptz, stop timestamptz (whole hours)
-- returns: nothing
DELETE FROM error_rollup
WHERE
    model = %(model)s::text
    AND bucket_start >= %(start)s::timestamptz
    AND bucket_start < %(stop)s::timestamptz
