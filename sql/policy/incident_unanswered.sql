-- The model's open incident that no retraining has begun to answer; where something is held, only one that a person
-- asked for in spite of it.
-- params: model text, held text (a cause) or NULL
-- returns: incident_id bigint; no row when there is none
SELECT incident.incident_id
FROM incident
LEFT JOIN retraining ON incident.incident_id = retraining.incident_id
WHERE
    incident.model = %(model)s::text
    AND incident.closed_at IS NULL
    AND retraining.run_id IS NULL
    AND (
        %(held)s::text IS NULL
        OR EXISTS (
            SELECT 1
            FROM incident_alarm
            WHERE
                incident_alarm.incident_id = incident.incident_id
                AND incident_alarm.detail -> 'despite' @> to_jsonb(%(held)s::text)
        )
    )
