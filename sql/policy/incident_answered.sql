-- The closed incident that an alarm belongs to.
-- The alarm joined it before, or is about a time when it was open.
-- params: model text, source text, at timestamptz
-- returns: incident_id bigint. No row when the alarm is new.
SELECT incident.incident_id
FROM incident
LEFT JOIN incident_alarm
    ON
        incident.incident_id = incident_alarm.incident_id
        AND incident_alarm.source = %(source)s::text
WHERE
    incident.model = %(model)s::text
    AND incident.closed_at IS NOT NULL
    AND (
        incident_alarm.source IS NOT NULL
        OR (incident.opened_at <= %(at)s::timestamptz AND incident.closed_at > %(at)s::timestamptz)
    )
ORDER BY incident.incident_id DESC
LIMIT 1
