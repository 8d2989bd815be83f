-- Notes the events of a model that no message tells of yet. At the first look at a model, what is older than a day is
-- noted as over, so that nobody is told of a whole past.
-- params: model text, present timestamptz (event time)
-- returns: nothing
INSERT INTO message (model, kind, subject, severity, at, words, is_over)
SELECT
    event.model,
    event.kind,
    event.subject,
    event.severity,
    event.at,
    event.words,
    event.at < %(present)s::timestamptz - interval '1 day'
    AND NOT EXISTS (
        SELECT 1
        FROM message AS earlier
        WHERE earlier.model = event.model
    ) AS is_over
FROM (
    SELECT
        model,
        'incident' AS kind,
        incident_id::text AS subject,
        'warning' AS severity,
        opened_at AS at,
        'Incident ' || incident_id || ' is open: ' || reason AS words
    FROM incident
    UNION ALL
    SELECT
        model,
        'hold' AS kind,
        hold_id::text AS subject,
        'critical' AS severity,
        opened_at AS at,
        'Retraining is held until a person has looked: ' || reason AS words
    FROM hold
    WHERE closed_at IS NULL
    UNION ALL
    SELECT
        model,
        'retraining' AS kind,
        run_id || ' ' || outcome AS subject,
        CASE outcome WHEN 'failed' THEN 'critical' ELSE 'info' END AS severity,
        finished_at AS at,
        CASE outcome WHEN 'failed' THEN 'A retraining failed' ELSE 'A retraining was refused' END
        || coalesce(': ' || reason, '') AS words
    FROM retraining
    WHERE outcome IN ('failed', 'kept_champion') AND finished_at IS NOT NULL
    UNION ALL
    SELECT
        model,
        'promotion' AS kind,
        version::text AS subject,
        'info' AS severity,
        promoted_at AS at,
        'Version ' || version || ' serves all requests now' AS words
    FROM release
    WHERE promoted_at IS NOT NULL
    UNION ALL
    SELECT
        model,
        'roll_back' AS kind,
        version::text AS subject,
        'warning' AS severity,
        ended_at AS at,
        'Version ' || version || ' was rolled back: ' || reason AS words
    FROM release
    WHERE
        state = 'rolled_back' AND ended_at IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM retirement
            WHERE retirement.model = release.model AND retirement.at = release.ended_at
        )
    UNION ALL
    SELECT
        release.model,
        'approval' AS kind,
        release.version::text AS subject,
        'critical' AS severity,
        approval.at,
        approval.words || ' Who answers until ' || to_char(approval.deadline AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
        || ' UTC decides. After that it is refused' AS words
    FROM approval
    INNER JOIN release ON approval.release_id = release.release_id
    WHERE approval.answer IS NULL AND release.state IN ('candidate', 'canary')
    UNION ALL
    SELECT
        alarm_log.model,
        'log_loss' AS kind,
        %(present)s::timestamptz::date::text AS subject,
        'critical' AS severity,
        %(present)s::timestamptz AS at,
        'The log has lost ' || log_day.lost || ' of ' || log_day.expected || ' answered rows of the newest day' AS words
    FROM alarm_log
    INNER JOIN log_day ON alarm_log.model = log_day.model
    WHERE alarm_log.value = 1
) AS event
WHERE event.model = %(model)s::text
ORDER BY event.at
ON CONFLICT (model, kind, subject) DO NOTHING
