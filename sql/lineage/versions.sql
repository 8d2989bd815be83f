-- The versions of a model that the store has.
-- params: model text
-- returns: version integer, the oldest first
SELECT version
FROM reference_profile
WHERE model = %(model)s::text
UNION
SELECT version
FROM release
WHERE model = %(model)s::text
ORDER BY version
