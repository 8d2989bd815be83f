-- Sets the sampling level of an hour, and empties its counts of features, which were made at another level.
-- params: model text, version integer, bucket_start timestamptz, sample_level integer
-- returns: nothing
WITH emptied AS (
    DELETE FROM feature_rollup
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND bucket_start = %(bucket_start)s::timestamptz
)

UPDATE row_rollup
SET sample_level = %(sample_level)s::integer
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND bucket_start = %(bucket_start)s::timestamptz
