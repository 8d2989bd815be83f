-- Notes that an hour's features are counted on a sample of another size, and empties what was counted of them.
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
