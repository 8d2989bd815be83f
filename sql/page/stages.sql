-- How long each step of a retraining took, from the alarm to all traffic.
-- params: model text, run_id text
-- returns: place integer; stage text; started_at timestamptz; seconds double precision
SELECT
    place,
    stage,
    started_at,
    seconds
FROM release_stage
WHERE model = %(model)s::text AND run_id = %(run_id)s::text
ORDER BY place
