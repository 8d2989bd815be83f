-- Makes the role that Grafana reads with. It can log in, writes nothing, and no question of it takes longer than 30 s.
-- Compiling a question takes longer than these questions themselves take, so it is off.
-- params: none
-- returns: nothing
CREATE ROLE cyclone_grafana LOGIN CONNECTION LIMIT 20;
ALTER ROLE cyclone_grafana SET default_transaction_read_only = on;
ALTER ROLE cyclone_grafana SET statement_timeout = '30s';
ALTER ROLE cyclone_grafana SET jit = off
