-- Whether the role is there that Grafana reads with.
-- params: none
-- returns: is_there boolean, one row
SELECT count(*) > 0 AS is_there
FROM pg_roles
WHERE rolname = 'cyclone_grafana'
