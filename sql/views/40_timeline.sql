-- What happened to a model, in event time: incidents, alerts, retrainings that ended, releases, calibrations that
-- served, revisions that were deployed again, traffic that was set right, and its retirement.
CREATE OR REPLACE VIEW timeline AS
WITH released AS ( -- a release names the revision that serves: here that which it began with
    SELECT
        release.model,
        release.version,
        release.created_at,
        release.promoted_at,
        coalesce((
            SELECT calibration.replaced
            FROM calibration
            WHERE
                calibration.model = release.model
                AND calibration.version = release.version
                AND calibration.served_at IS NOT NULL
            ORDER BY calibration.calibration_id
            LIMIT 1
        ), release.revision) AS revision
    FROM release
)

SELECT
    model,
    opened_at AS at,
    1 AS rank, -- the order of what happened at the same moment
    'incident opened' AS event,
    incident_id AS subject,
    reason AS detail
FROM incident
UNION ALL
SELECT
    incident.model,
    incident.closed_at AS at,
    5 AS rank,
    'incident closed' AS event,
    incident.incident_id AS subject,
    concat_ws(': ', incident.outcome, retraining.reason) AS detail
FROM incident
LEFT JOIN retraining ON incident.incident_id = retraining.incident_id
WHERE incident.closed_at IS NOT NULL
UNION ALL
SELECT
    model,
    created_at AS at,
    2 AS rank,
    'candidate' AS event,
    version AS subject,
    revision AS detail
FROM released
UNION ALL
SELECT
    model,
    promoted_at AS at,
    3 AS rank,
    'promoted' AS event,
    version AS subject,
    revision AS detail
FROM released
WHERE promoted_at IS NOT NULL
UNION ALL
SELECT
    model,
    ended_at AS at,
    4 AS rank,
    'rolled back' AS event,
    version AS subject,
    reason AS detail
FROM release
WHERE state = 'rolled_back'
UNION ALL
SELECT
    release.model,
    approval.at,
    3 AS rank,
    'waits for approval' AS event,
    release.version AS subject,
    approval.words AS detail
FROM approval
INNER JOIN release ON approval.release_id = release.release_id
UNION ALL
SELECT
    release.model,
    approval.answered_at AS at,
    3 AS rank,
    'approval answered' AS event,
    release.version AS subject,
    concat_ws(': ', concat_ws(' by ', approval.answer, approval.answered_by), nullif(approval.because, '')) AS detail
FROM approval
INNER JOIN release ON approval.release_id = release.release_id
WHERE approval.answer IS NOT NULL
UNION ALL
SELECT
    model,
    at,
    0 AS rank,
    'asked for' AS event,
    incident_id AS subject,
    asked_by || coalesce(': ' || nullif(because, ''), '') || ' → ' || action || ': ' || reason AS detail
FROM decision
WHERE asked_by IS NOT NULL
UNION ALL
SELECT -- what an alert, or a person in Airflow, has asked for that is no decision on a retraining
    model,
    at,
    0 AS rank,
    CASE WHEN sender = 'Airflow' THEN 'asked for' ELSE 'alert' END AS event,
    CASE WHEN sender != 'Airflow' THEN alert_id END AS subject,
    concat(
        name,
        ' of ' || nullif(sender, ''),
        ' asks for ',
        replace(action, '_', '-'),
        ': ' || nullif(summary, ''),
        ' (' || nullif(link, '') || ')',
        ' → ',
        coalesce(answer, 'waits for the monitor'),
        ': ' || reason
    ) AS detail
FROM alert
WHERE action != 'retrain' OR answer IS NULL
UNION ALL
SELECT
    model,
    opened_at AS at,
    6 AS rank,
    'hold' AS event,
    hold_id AS subject,
    reason AS detail
FROM hold
UNION ALL
SELECT
    model,
    closed_at AS at,
    7 AS rank,
    'hold ended' AS event,
    hold_id AS subject,
    cause || coalesce(': resumed by ' || closed_by || coalesce(': ' || nullif(because, ''), ''), ': it went away')
        AS detail
FROM hold
WHERE closed_at IS NOT NULL
UNION ALL
SELECT
    model,
    served_at AS at,
    8 AS rank,
    'recalibrated' AS event,
    calibration_id AS subject,
    revision || ': ' || reason AS detail
FROM calibration
WHERE served_at IS NOT NULL AND asked_by IS NULL
UNION ALL
SELECT
    model,
    served_at AS at,
    8 AS rank,
    'deployed again' AS event,
    calibration_id AS subject,
    revision || ': ' || reason AS detail
FROM calibration
WHERE served_at IS NOT NULL AND carries_on IS NOT NULL
UNION ALL
SELECT
    model,
    withdrawn_at AS at,
    9 AS rank,
    'calibration withdrawn' AS event,
    calibration_id AS subject,
    concat_ws(': ', revision, withdrawn_because) AS detail
FROM calibration
WHERE withdrawn_at IS NOT NULL
UNION ALL
SELECT
    release_comparison.model,
    release_comparison.at,
    10 AS rank,
    'reconciled' AS event,
    release_comparison.comparison_id AS subject,
    string_agg(concat(item."where", ': ', item.found, ', wanted: ', item.wanted), ', and ') AS detail
FROM release_comparison
CROSS JOIN jsonb_to_recordset(release_comparison.differences) AS item ("where" text, found text, wanted text)
WHERE release_comparison.is_mended
GROUP BY release_comparison.comparison_id
UNION ALL
SELECT
    model,
    at,
    11 AS rank,
    'retired' AS event,
    version AS subject,
    asked_by || ': ' || because AS detail
FROM retirement
