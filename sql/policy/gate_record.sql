-- Records what the gate of a retraining decided. The last record counts.
-- When the task runs again, another champion may serve, or a person may have withdrawn its calibration. A challenger
-- that was trained again has another MLflow run.
-- params: run_id, model, mlflow_run_id, rule, reason text; is_passed boolean; champion_version integer or NULL;
--   champion_error, ratio_lower, ratio_upper double precision or NULL; challenger_error, margin, slice_margin double
--   precision; row_count bigint; day_count integer; slices, unjudged json text
-- returns: nothing
INSERT INTO gate_decision (
    run_id,
    model,
    mlflow_run_id,
    is_passed,
    champion_version,
    champion_error,
    challenger_error,
    ratio_lower,
    ratio_upper,
    rule,
    margin,
    slice_margin,
    row_count,
    day_count,
    slices,
    unjudged,
    reason
)
VALUES (
    %(run_id)s::text,
    %(model)s::text,
    %(mlflow_run_id)s::text,
    %(is_passed)s::boolean,
    %(champion_version)s::integer,
    %(champion_error)s::double precision,
    %(challenger_error)s::double precision,
    %(ratio_lower)s::double precision,
    %(ratio_upper)s::double precision,
    %(rule)s::text,
    %(margin)s::double precision,
    %(slice_margin)s::double precision,
    %(row_count)s::bigint,
    %(day_count)s::integer,
    %(slices)s::jsonb,
    %(unjudged)s::jsonb,
    %(reason)s::text
)
ON CONFLICT (model, run_id) DO UPDATE
    SET
        mlflow_run_id = excluded.mlflow_run_id,
        is_passed = excluded.is_passed,
        champion_version = excluded.champion_version,
        champion_error = excluded.champion_error,
        challenger_error = excluded.challenger_error,
        ratio_lower = excluded.ratio_lower,
        ratio_upper = excluded.ratio_upper,
        rule = excluded.rule,
        margin = excluded.margin,
        slice_margin = excluded.slice_margin,
        row_count = excluded.row_count,
        day_count = excluded.day_count,
        slices = excluded.slices,
        unjudged = excluded.unjudged,
        reason = excluded.reason
