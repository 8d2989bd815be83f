-- The absolute error |prediction - label| of a regression. NULL where either is not a number.
CREATE OR REPLACE FUNCTION absolute_error(prediction jsonb, label jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN jsonb_typeof(prediction) = 'number' AND jsonb_typeof(label) = 'number'
        THEN abs(bounded_number(prediction) - bounded_number(label))
END
$$
