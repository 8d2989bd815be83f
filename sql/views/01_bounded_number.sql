-- A JSON value as a number: true is 1, false is 0, anything else NULL. Kept within ±1e150, so that no absurd
-- value lets a square or a sum overflow and stops the roll-up of all the others.
CREATE OR REPLACE FUNCTION bounded_number(value jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE jsonb_typeof(value)
    WHEN 'number' THEN greatest(least(value::numeric, 1e150), -1e150)::double precision
    WHEN 'boolean' THEN value::boolean::integer::double precision
END
$$
