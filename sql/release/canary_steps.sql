-- The canary steps of a release so far, oldest first.
-- params: release_id bigint
-- returns: step_number, traffic_percent, verdict, goes_on, detail, started_at, ended_at
SELECT
    step_number,
    traffic_percent,
    verdict,
    goes_on,
    detail,
    started_at,
    ended_at
FROM release_step
WHERE release_id = %(release_id)s::bigint
ORDER BY step_number
