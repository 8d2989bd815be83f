-- What lasted for a while within a period: versions that served, calibrations, incidents, canaries and holds.
-- params: model text, since timestamptz, until timestamptz
-- returns: lane, name, tone text; started_at timestamptz; ended_at timestamptz, NULL while it lasts; incident_id bigint
--   or NULL; run_id text or NULL; words text. By lane and time.
WITH band AS (
    SELECT
        'version' AS lane,
        'v' || version AS name,
        CASE state WHEN 'rolled_back' THEN 'bad' ELSE 'good' END AS tone,
        promoted_at AS started_at,
        ended_at,
        NULL::bigint AS incident_id,
        run_id,
        'version ' || version || coalesce(': ' || reason, '') AS words
    FROM release
    WHERE model = %(model)s::text AND promoted_at IS NOT NULL
    UNION ALL
    SELECT
        'calibration' AS lane,
        coalesce(calibration.method, 'none') AS name,
        'plain' AS tone,
        calibration.served_at AS started_at,
        coalesce(
            calibration.withdrawn_at,
            lead(calibration.served_at) OVER (PARTITION BY calibration.version ORDER BY calibration.served_at),
            of_version.ended_at
        ) AS ended_at,
        NULL AS incident_id,
        NULL AS run_id,
        'calibration of version ' || calibration.version || ': ' || calibration.reason AS words
    FROM calibration
    LEFT JOIN LATERAL (
        SELECT max(release.ended_at) AS ended_at
        FROM release
        WHERE release.model = calibration.model AND release.version = calibration.version
        HAVING bool_and(release.ended_at IS NOT NULL)
    ) AS of_version ON true
    WHERE calibration.model = %(model)s::text AND calibration.served_at IS NOT NULL
    UNION ALL
    SELECT
        'incident' AS lane,
        incident.incident_id::text AS name,
        CASE coalesce(retraining.outcome, incident.outcome)
            WHEN 'promoted' THEN 'good'
            WHEN 'kept_champion' THEN 'plain'
            ELSE 'bad'
        END AS tone,
        incident.opened_at AS started_at,
        incident.closed_at AS ended_at,
        incident.incident_id,
        retraining.run_id,
        'incident ' || incident.incident_id || ': ' || incident.reason AS words
    FROM incident
    LEFT JOIN retraining ON incident.incident_id = retraining.incident_id
    WHERE incident.model = %(model)s::text
    UNION ALL
    SELECT
        'canary' AS lane,
        'v' || release.version AS name,
        CASE release.state WHEN 'rolled_back' THEN 'bad' WHEN 'canary' THEN 'plain' ELSE 'good' END AS tone,
        min(canary_step.started_at) AS started_at,
        CASE
            WHEN release.state NOT IN ('candidate', 'canary')
                THEN coalesce(max(canary_step.ended_at), release.ended_at, release.promoted_at)
        END AS ended_at,
        NULL AS incident_id,
        release.run_id,
        'canary of version ' || release.version || ': ' || replace(release.state, '_', ' ')
        || coalesce(', ' || release.reason, '') AS words
    FROM release
    INNER JOIN canary_step ON release.release_id = canary_step.release_id
    WHERE release.model = %(model)s::text
    GROUP BY release.release_id
    UNION ALL
    SELECT
        'hold' AS lane,
        cause AS name,
        'bad' AS tone,
        opened_at AS started_at,
        closed_at AS ended_at,
        NULL AS incident_id,
        NULL AS run_id,
        'hold: ' || reason AS words
    FROM hold
    WHERE model = %(model)s::text
)

SELECT
    lane,
    name,
    tone,
    started_at,
    ended_at,
    incident_id,
    run_id,
    words
FROM band
WHERE
    started_at < %(until)s::timestamptz
    AND coalesce(ended_at, 'infinity') >= %(since)s::timestamptz
ORDER BY lane, started_at
