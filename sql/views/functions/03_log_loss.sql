-- The log loss, -ln(probability given to the true label), of a binary prediction (a probability, and a boolean label)
-- or a multiclass one (class -> probability). NULL for others. Probabilities are taken as at least the spacing of
-- float64 at 1, as in scikit-learn's log_loss.
CREATE OR REPLACE FUNCTION log_loss(prediction jsonb, label jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN jsonb_typeof(prediction) = 'number' AND jsonb_typeof(label) = 'boolean'
        THEN -ln(least(1, greatest(2.220446049250313e-16, abs(
            (NOT label::boolean)::integer - bounded_number(prediction)
        ))))
    WHEN jsonb_typeof(prediction) = 'object'
        THEN -ln(least(1, greatest(2.220446049250313e-16, bounded_number(prediction -> (label #>> '{}')))))
END
$$
