-- The canary steps of a retraining.
-- params: model text, run_id text
-- returns: step_number, traffic_percent integer; verdict text; goes_on boolean or NULL; reason text; started_at,
--   ended_at timestamptz; seconds double precision
SELECT
    step_number,
    traffic_percent,
    verdict,
    goes_on,
    reason,
    started_at,
    ended_at,
    seconds
FROM canary_step
WHERE model = %(model)s::text AND run_id = %(run_id)s::text
ORDER BY step_number
