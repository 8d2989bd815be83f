-- The partitions of a table that is partitioned by time, each from `lower_bound` to before `upper_bound`.
-- A default partition, which somebody may have added, holds everything.
CREATE OR REPLACE FUNCTION partition_span(parent text)
RETURNS TABLE (lower_bound timestamptz, upper_bound timestamptz)
LANGUAGE sql STABLE SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
SELECT -- of a text such as FOR VALUES FROM (MINVALUE) TO ('2026-11-01 00:00:00+00')
    coalesce(
        nullif(nullif(trim('''' FROM split_part(split_part(bounds.words, 'FROM (', 2), ') TO (', 1)), 'MINVALUE'), '')
            ::timestamptz,
        '-infinity'
    ) AS lower_bound,
    coalesce(
        nullif(nullif(trim('''' FROM rtrim(split_part(bounds.words, ') TO (', 2), ')')), 'MAXVALUE'), '')::timestamptz,
        'infinity'
    ) AS upper_bound
FROM pg_inherits
INNER JOIN pg_class ON pg_inherits.inhrelid = pg_class.oid
CROSS JOIN LATERAL pg_get_expr(pg_class.relpartbound, pg_class.oid) AS bounds (words)
WHERE pg_inherits.inhparent = parent::regclass
$$
