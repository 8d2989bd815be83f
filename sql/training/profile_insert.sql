-- Note the error and the number of rows that a version was accepted with. The first note of a version counts: whoever
-- notes has to look whether it is of the same MLflow run.
-- params: model text, version integer, mlflow_run_id text, metric text, accepted_error double precision,
--   sample_size bigint, created_at timestamptz
INSERT INTO reference_profile (model, version, mlflow_run_id, metric, accepted_error, sample_size, created_at)
VALUES (
    %(model)s::text, %(version)s::integer, %(mlflow_run_id)s::text, %(metric)s::text,
    %(accepted_error)s::double precision, %(sample_size)s::bigint, %(created_at)s::timestamptz
)
ON CONFLICT DO NOTHING
