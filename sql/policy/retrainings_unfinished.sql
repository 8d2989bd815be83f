-- The retrainings of a model that go on, by the store, although their incident is closed.
-- They were cleared in Airflow after they had ended.
-- params: model text
-- returns: run_id text
SELECT retraining.run_id
FROM retraining
INNER JOIN incident ON retraining.incident_id = incident.incident_id
WHERE
    retraining.model = %(model)s::text
    AND retraining.finished_at IS NULL
    AND incident.closed_at IS NOT NULL
ORDER BY retraining.run_id
