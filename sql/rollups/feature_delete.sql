-- Empties hours of the feature roll-up before they are counted again.
-- params: model text, start timestamptz, stop timestamptz (whole hours)
-- returns: nothing
DELETE FROM feature_rollup
WHERE
    model = %(model)s::text
    AND bucket_start >= %(start)s::timestamptz
    AND bucket_start < %(stop)s::timestamptz
