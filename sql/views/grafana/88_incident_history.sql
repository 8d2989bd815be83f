-- Every incident: what opened it, how many alarms joined it, what answered it, and whether that was of any use.
CREATE OR REPLACE VIEW incident_history AS
WITH alarm AS (
    SELECT
        incident_id,
        count(*) AS alarms
    FROM incident_alarm
    GROUP BY incident_id
)

SELECT
    incident.model,
    incident.incident_id,
    incident.opened_at,
    incident.closed_at,
    incident.reason,
    coalesce(alarm.alarms, 0) AS alarms,
    retraining.run_id,
    retraining.started_at,
    retraining.finished_at,
    retraining.version,
    coalesce(retraining.outcome, incident.outcome, 'open') AS outcome,
    retraining.reason AS answer,
    retraining.cost,
    coalesce(retraining.outcome IN ('kept_champion', 'failed'), false) AS is_futile,
    airflow_page(page_link.airflow, 'retrain__' || incident.model, retraining.run_id) AS airflow_url,
    mlflow_page(page_link.mlflow, incident.model, retraining.version) AS mlflow_url,
    'cyclone explain incident ' || incident.incident_id AS explain
FROM incident
CROSS JOIN page_link
LEFT JOIN retraining ON incident.incident_id = retraining.incident_id
LEFT JOIN alarm ON incident.incident_id = alarm.incident_id
