-- Every model that is monitored or serves, with what troubles it, in words.
-- attention: 0 nothing, 1 something is not known, 2 a check or an incident, 3 a person has to act. 0 for a retired one.
CREATE OR REPLACE VIEW model_trouble AS
WITH verdict AS (
    SELECT
        model,
        count(*) FILTER (WHERE verdict = 'failed') AS failed,
        count(*) FILTER (WHERE verdict = 'no_data') AS unknown,
        string_agg(DISTINCT check_name, ', ') FILTER (WHERE verdict = 'failed') AS failed_checks
    FROM newest_check
    GROUP BY model
),

held AS (
    SELECT
        model,
        string_agg('hold: ' || reason, ' ' ORDER BY opened_at) AS reason
    FROM hold
    WHERE closed_at IS NULL
    GROUP BY model
),

trouble AS (
    SELECT
        alarm_monitor.model,
        incident.incident_id,
        incident.reason,
        held.reason AS hold,
        CASE
            WHEN verdict.failed > 0 THEN 'failed'
            WHEN verdict.unknown > 0 OR verdict.model IS NULL THEN 'no_data'
            ELSE 'passed'
        END AS verdict,
        verdict.failed_checks,
        alarm_monitor.value = 1 AS is_unwatched,
        monitored_model.model IS NULL AS was_never_watched,
        retired_model.model IS NOT NULL AS is_retired
    FROM alarm_monitor
    LEFT JOIN monitored_model ON alarm_monitor.model = monitored_model.model
    LEFT JOIN retired_model ON alarm_monitor.model = retired_model.model
    LEFT JOIN verdict ON alarm_monitor.model = verdict.model
    LEFT JOIN held ON alarm_monitor.model = held.model
    LEFT JOIN incident ON alarm_monitor.model = incident.model AND incident.closed_at IS NULL
)

SELECT
    trouble.model,
    CASE
        WHEN trouble.is_retired THEN 0
        WHEN trouble.hold IS NOT NULL OR trouble.is_unwatched THEN 3
        WHEN trouble.verdict = 'failed' OR trouble.incident_id IS NOT NULL THEN 2
        WHEN trouble.verdict = 'no_data' THEN 1
        ELSE 0
    END AS attention,
    trouble.verdict,
    trouble.is_unwatched,
    trouble.hold IS NOT NULL AS is_held,
    concat_ws(
        '. ',
        CASE
            WHEN trouble.is_retired THEN 'it is retired'
            WHEN trouble.is_unwatched AND trouble.was_never_watched THEN 'its monitor has never run'
            WHEN trouble.is_unwatched THEN 'its monitor does not run'
        END,
        trouble.hold,
        'incident ' || trouble.incident_id || ': ' || trouble.reason,
        'failed: ' || trouble.failed_checks
    ) AS sentence,
    trouble.incident_id
FROM trouble
