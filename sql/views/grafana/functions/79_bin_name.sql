-- What a bin of a reference profile is called where people see it.
CREATE OR REPLACE FUNCTION bin_name(
    bin integer, category text, lower_bound double precision, upper_bound double precision
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN bin = -1 THEN 'missing'
    WHEN bin = -2 THEN 'unknown'
    WHEN category IS NOT NULL THEN category
    WHEN lower_bound IS NULL AND upper_bound IS NULL THEN 'all'
    WHEN lower_bound IS NULL THEN 'below ' || round(upper_bound::numeric, 3)::float
    WHEN upper_bound IS NULL THEN 'from ' || round(lower_bound::numeric, 3)::float
    ELSE round(lower_bound::numeric, 3)::float || ' to ' || round(upper_bound::numeric, 3)::float
END
$$
