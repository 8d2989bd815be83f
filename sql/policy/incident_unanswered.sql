-- The model's open incident that still needs a retraining.
-- During a hold, it is only an incident that a person requested despite the cause of the hold.
-- params: model text, held text (a cause) or NULL
-- returns: incident_id bigint. No row when there is none.
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
