-- A retraining by its model and run, or by the incident that it answers.
-- params: model, run_id text or NULL, incident_id bigint or NULL
-- returns: run_id, incident_id, started_at, finished_at, cost, outcome, reason, and the version and mlflow_run_id that
--   it registered, NULL when it registered none. One row or none.
SELECT
    retraining.run_id,
    retraining.incident_id,
    retraining.started_at,
    retraining.finished_at,
    retraining.cost,
    retraining.outcome,
    retraining.reason,
    reference_profile.version,
    gate_decision.mlflow_run_id
FROM retraining
LEFT JOIN gate_decision ON retraining.model = gate_decision.model AND retraining.run_id = gate_decision.run_id
LEFT JOIN reference_profile
    ON
        retraining.model = reference_profile.model
        AND gate_decision.mlflow_run_id = reference_profile.mlflow_run_id
WHERE
    (retraining.model = %(model)s::text AND retraining.run_id = %(run_id)s::text)
    OR retraining.incident_id = %(incident_id)s::bigint
