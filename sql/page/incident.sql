-- One incident of a model with what answered it.
-- params: model text; incident_id bigint or NULL, run_id text or NULL (one of them says which)
-- returns: incident_id bigint; opened_at, closed_at, started_at, finished_at timestamptz; reason, outcome, answer,
--   run_id text; alarms bigint; version integer; cost double precision
SELECT
    incident_id,
    opened_at,
    closed_at,
    reason,
    alarms,
    run_id,
    started_at,
    finished_at,
    version,
    outcome,
    answer,
    cost
FROM incident_history
WHERE
    model = %(model)s::text
    AND (incident_id = %(incident_id)s::bigint OR run_id = %(run_id)s::text)
