-- A float within ±1e150, and 0 where it is nearer to 0 than 1e-150. So neither its square nor its half overflows or
-- underflows, which Postgres takes for an error that would stop the roll-up or the check of all others.
CREATE OR REPLACE FUNCTION bounded_float(value double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN abs(value) < 1e-150 THEN 0
    WHEN value IS NOT NULL THEN greatest(least(value, 1e150), -1e150) -- these two would take NULL for a bound
END
$$;

-- A JSON value as a number within the same bounds: true is 1, false is 0, anything else NULL.
CREATE OR REPLACE FUNCTION bounded_number(value jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE jsonb_typeof(value)
    WHEN 'number'
        THEN CASE
            WHEN abs(value::numeric) < 1e-150 THEN 0
            ELSE greatest(least(value::numeric, 1e150), -1e150)::double precision
        END
    WHEN 'boolean' THEN value::boolean::integer::double precision
END
$$
