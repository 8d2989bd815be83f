-- The class that a classification answers with. Of probabilities by class it is the likeliest, and the first of equals.
-- Of one probability it is `true` from 0.5 on.
CREATE OR REPLACE FUNCTION predicted_class(prediction jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE jsonb_typeof(prediction)
    WHEN 'object'
        THEN (
            SELECT class.key
            FROM jsonb_each(prediction) AS class
            ORDER BY class.value DESC, class.key ASC
            LIMIT 1
        )
    WHEN 'number' THEN (bounded_number(prediction) >= 0.5)::text
END
$$
