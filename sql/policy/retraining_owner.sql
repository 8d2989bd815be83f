-- The run that answers an incident.
-- params: incident_id bigint
-- returns: run_id text
SELECT run_id
FROM retraining
WHERE incident_id = %(incident_id)s::bigint
