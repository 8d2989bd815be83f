-- Every model that is monitored or serves, with what a person has to know of it: what troubles it, how it serves, and
-- how its error, its log and its labels stand.
-- Every model that is monitored or serves, with what a person has to know of it.
-- attention: 0 nothing, 1 something is not known, 2 a check or an incident, 3 a person has to act. 0 for a retired one.
CREATE OR REPLACE VIEW model_status AS
WITH traffic AS (
    SELECT
        model,
        string_agg('v' || version || ' ' || traffic_percent || ' %', ', ' ORDER BY version) AS traffic
    FROM release
    WHERE state IN ('candidate', 'canary', 'champion')
    GROUP BY model
)

SELECT
    trouble.model,
    trouble.attention,
    trouble.verdict,
    trouble.is_unwatched,
    trouble.sentence,
    serving_version.version,
    serving_version.revision,
    traffic.traffic,
    serving_version.promoted_at,
    extract(EPOCH FROM model_present.present - serving_version.promoted_at)::double precision AS age_seconds,
    typical_error.error,
    typical_error.accepted_error,
    typical_error.error_limit,
    typical_error.error / nullif(typical_error.accepted_error, 0) AS error_ratio,
    trouble.incident_id,
    log_day.completeness,
    label_delay.median_hours,
    label_delay.days_without,
    model_present.present,
    airflow_page(page_link.airflow, 'retrain__' || trouble.model, serving_version.run_id) AS airflow_url,
    mlflow_page(page_link.mlflow, trouble.model, serving_version.version) AS mlflow_url,
    revision_page(page_link.cloud_run, trouble.model) AS revision_url,
    'cyclone explain ' || trouble.model || ':v' || serving_version.version AS explain
FROM model_trouble AS trouble
CROSS JOIN page_link
LEFT JOIN traffic ON trouble.model = traffic.model
LEFT JOIN serving_version ON trouble.model = serving_version.model
LEFT JOIN typical_error ON trouble.model = typical_error.model
LEFT JOIN log_day ON trouble.model = log_day.model
LEFT JOIN label_delay ON trouble.model = label_delay.model
LEFT JOIN model_present ON trouble.model = model_present.model
