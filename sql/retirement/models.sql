-- The models that the store has releases of.
-- params: none
-- returns: model text
SELECT DISTINCT model
FROM release
ORDER BY model
