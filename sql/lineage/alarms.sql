-- The alarms of an incident, the first one first, and what was decided on each alarm of the monitor.
-- params: incident_id bigint
-- returns: source, at, detail; action and decided, both NULL when nobody had to decide
SELECT
    incident_alarm.source,
    incident_alarm.at,
    incident_alarm.detail,
    decision.action,
    decision.reason AS decided
FROM incident_alarm
INNER JOIN incident ON incident_alarm.incident_id = incident.incident_id
LEFT JOIN decision ON incident.model = decision.model AND incident_alarm.source = decision.run_id
WHERE incident_alarm.incident_id = %(incident_id)s::bigint
ORDER BY incident_alarm.at, incident_alarm.source, incident_alarm.detail
