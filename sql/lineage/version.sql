-- A version as it was registered, with the retraining that made it.
-- params: model text, version integer
-- returns: model, version, mlflow_run_id, metric, accepted_error, training_rows, registered_at, run_id (NULL when no
--   gate let it in). No row when the store has no reference profile of it.
SELECT
    reference_profile.model,
    reference_profile.version,
    reference_profile.mlflow_run_id,
    reference_profile.metric,
    reference_profile.accepted_error,
    reference_profile.sample_size AS training_rows,
    reference_profile.created_at AS registered_at,
    gate_decision.run_id
FROM reference_profile
LEFT JOIN gate_decision
    ON
        reference_profile.model = gate_decision.model
        AND reference_profile.mlflow_run_id = gate_decision.mlflow_run_id
WHERE reference_profile.model = %(model)s::text AND reference_profile.version = %(version)s::integer
ORDER BY gate_decision.run_id
LIMIT 1
