-- The run that answers an incident.
-- params: incident_id bigint
-- returns: run_id text. No row while no run has begun to.
SELECT run_id
FROM retraining
WHERE incident_id = %(incident_id)s::bigint
