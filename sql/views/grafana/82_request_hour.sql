-- The requests of each version by hour.
CREATE OR REPLACE VIEW request_hour AS
SELECT
    model,
    version,
    bucket_start AS start,
    requests,
    rejected,
    failures
FROM request_rollup
