-- How many rows of a model's versions are stored, and how many of them have a label.
-- params: model text
-- returns: stored bigint, labelled bigint
SELECT
    count(*) AS stored,
    count(label) AS labelled
FROM labelled_prediction
WHERE model = %(model)s::text AND version IS NOT NULL
