-- The squared distance of the probabilities from what came true (Brier, 1950). It is (p - y)^2 of a binary prediction,
-- and the sum over classes of a multiclass one. NULL for others. scikit-learn gives half of the sum for two classes.
CREATE OR REPLACE FUNCTION brier_score(prediction jsonb, label jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN jsonb_typeof(prediction) = 'number' AND jsonb_typeof(label) = 'boolean'
        THEN power(bounded_number(prediction) - label::boolean::integer, 2)
    WHEN jsonb_typeof(prediction) = 'object'
        THEN (
            SELECT
                sum(power(bounded_number(class.value), 2) ORDER BY class.key)
                + 1 - 2 * bounded_number(prediction -> (label #>> '{}'))
            FROM jsonb_each(prediction) AS class
        )
END
$$
