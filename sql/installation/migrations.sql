-- The migrations that the store has had. Without any, its table is not there.
-- params: none
-- returns: name text
SELECT name
FROM schema_migration
ORDER BY name
