-- The partitions of a table that is partitioned by time, each from `lower_bound` to before `upper_bound`.
-- A default partition, which somebody may have added, holds everything.
CREATE OR REPLACE FUNCTION partition_span(parent text)
RETURNS TABLE (lower_bound timestamptz, upper_bound timestamptz)
LANGUAGE sql STABLE SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
SELECT
    coalesce(bounds.texts[1]::timestamptz, '-infinity') AS lower_bound,
    coalesce(bounds.texts[2]::timestamptz, 'infinity') AS upper_bound
FROM pg_inherits
INNER JOIN pg_class ON pg_inherits.inhrelid = pg_class.oid
CROSS JOIN LATERAL regexp_match(
    pg_get_expr(pg_class.relpartbound, pg_class.oid), $re$FROM \((?:'(.+?)'|.+?)\) TO \((?:'(.+?)'|.+?)\)$re$
) AS bounds (texts)
WHERE pg_inherits.inhparent = parent::regclass
$$
