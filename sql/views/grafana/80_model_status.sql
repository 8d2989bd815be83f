-- Every model that is monitored or serves, with what a person has to know of it.
-- attention: 0 nothing, 1 something is not known, 2 a check or an incident, 3 a person has to act. 0 for a retired one.
CREATE OR REPLACE VIEW model_status AS
WITH verdict AS (
    SELECT
        model,
        count(*) FILTER (WHERE verdict = 'failed') AS failed,
        count(*) FILTER (WHERE verdict = 'no_data') AS unknown,
        string_agg(DISTINCT check_name, ', ') FILTER (WHERE verdict = 'failed') AS failed_checks
    FROM newest_check
    GROUP BY model
),

traffic AS (
    SELECT
        model,
        string_agg('v' || version || ' ' || traffic_percent || ' %', ', ' ORDER BY version) AS traffic
    FROM release
    WHERE state IN ('candidate', 'canary', 'champion')
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
    concat_ws(
        '. ',
        CASE
            WHEN trouble.is_retired THEN 'it is retired'
            WHEN trouble.is_unwatched AND trouble.was_never_watched THEN 'its monitor has never run'
            WHEN trouble.is_unwatched THEN 'its monitor does not run'
        END,
        trouble.hold,
        'incident ' || incident.incident_id || ': ' || incident.reason,
        'failed: ' || trouble.failed_checks
    ) AS sentence,
    serving_version.version,
    serving_version.revision,
    traffic.traffic,
    serving_version.promoted_at,
    extract(EPOCH FROM model_present.present - serving_version.promoted_at)::double precision AS age_seconds,
    typical_error.error,
    typical_error.accepted_error,
    typical_error.error_limit,
    typical_error.error / nullif(typical_error.accepted_error, 0) AS error_ratio,
    incident.incident_id,
    log_day.completeness,
    label_delay.median_hours,
    label_delay.days_without,
    model_present.present,
    airflow_page(page_link.airflow, 'retrain__' || trouble.model, serving_version.run_id) AS airflow_url,
    mlflow_page(page_link.mlflow, trouble.model, serving_version.version) AS mlflow_url,
    revision_page(page_link.cloud_run, trouble.model) AS revision_url,
    'cyclone explain ' || trouble.model || ':v' || serving_version.version AS explain
FROM trouble
CROSS JOIN page_link
LEFT JOIN incident ON trouble.incident_id = incident.incident_id
LEFT JOIN traffic ON trouble.model = traffic.model
LEFT JOIN serving_version ON trouble.model = serving_version.model
LEFT JOIN typical_error ON trouble.model = typical_error.model
LEFT JOIN log_day ON trouble.model = log_day.model
LEFT JOIN label_delay ON trouble.model = label_delay.model
LEFT JOIN model_present ON trouble.model = model_present.model
