-- Every decision that did something or refused something: not those that only waited for themselves. A decision that
-- somebody asked for was made by no run.
CREATE OR REPLACE VIEW decision_history AS
SELECT
    decision.model,
    decision.at,
    decision.version,
    decision.action,
    decision.cause,
    decision.reason,
    coalesce(decision.asked_by, 'the monitor') AS asked_by,
    decision.because,
    decision.incident_id,
    decision.asked_by IS NOT NULL AND decision.incident_id IS NULL AS is_refused,
    airflow_page(
        page_link.airflow, 'monitor__' || decision.model, CASE WHEN decision.asked_by IS NULL THEN decision.run_id END
    ) AS airflow_url
FROM decision
CROSS JOIN page_link
WHERE decision.action != 'wait' OR decision.asked_by IS NOT NULL
