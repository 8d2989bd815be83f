-- A float as the number that it prints as, with all of its digits. A cast keeps only fifteen of them, and would put
-- neighbours such as the bounds of a constant's bin together.
CREATE OR REPLACE FUNCTION exact_number(value double precision) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT value::text::numeric
$$
