-- Every incident of a model with what answered it: the run, the version, the revision and the canary's steps.
-- params: model text
-- returns: one row an incident, the oldest first
SELECT
    incident.incident_id,
    incident.reason,
    incident.opened_at,
    incident.outcome,
    retraining.run_id,
    release.version,
    release.revision,
    release.image,
    release.state,
    release.promoted_at,
    coalesce((
        SELECT array_agg(release_step.traffic_percent ORDER BY release_step.step_number)
        FROM release_step
        WHERE release_step.release_id = release.release_id AND release_step.goes_on
    ), '{}') AS passed_steps,
    (
        SELECT array_agg(alarm.source ORDER BY alarm.at, alarm.source)
        FROM (
            SELECT
                incident_alarm.source,
                min(incident_alarm.at) AS at
            FROM incident_alarm
            WHERE incident_alarm.incident_id = incident.incident_id
            GROUP BY incident_alarm.source
        ) AS alarm
    ) AS alarms
FROM incident
LEFT JOIN retraining ON incident.incident_id = retraining.incident_id
LEFT JOIN release ON retraining.model = release.model AND retraining.run_id = release.run_id
WHERE incident.model = %(model)s::text
ORDER BY incident.incident_id
