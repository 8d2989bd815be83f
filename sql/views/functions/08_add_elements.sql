-- Two arrays of counts, added place by place.
CREATE OR REPLACE FUNCTION add_elements(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT array_agg(coalesce(element.a, 0) + coalesce(element.b, 0) ORDER BY element.place)
FROM unnest(a, b) WITH ORDINALITY AS element (a, b, place)
$$
