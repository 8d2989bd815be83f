-- The time and the version of the store's server.
-- params: none
-- returns: at timestamptz, version int (as 180000 for PostgreSQL 18)
SELECT
    clock_timestamp() AS at,
    current_setting('server_version_num')::int AS version
