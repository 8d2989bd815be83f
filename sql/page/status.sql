-- What a person has to know of one model, with what its policy judges by.
-- params: model text
-- returns: model, verdict, sentence, revision, traffic, mlflow_url, revision_url, metric text; is_unwatched, is_judged
--   boolean; attention, version, median_hours, error_window_days, error_minimum_days, error_minimum_rows integer;
--   error, accepted_error, error_limit, completeness, days_without, budget, spent double precision; incident_id,
--   judged_days, judged_rows bigint; promoted_at, present, monitored_at timestamptz. No row for an unknown model.
SELECT
    model_status.model,
    model_status.attention,
    model_status.verdict,
    model_status.is_unwatched,
    model_status.sentence,
    model_status.version,
    model_status.revision,
    model_status.traffic,
    model_status.promoted_at,
    model_status.error,
    model_status.accepted_error,
    model_status.error_limit,
    model_status.incident_id,
    model_status.completeness,
    model_status.median_hours,
    model_status.days_without,
    model_status.present,
    model_status.mlflow_url,
    model_status.revision_url,
    monitored_model.metric,
    monitored_model.error_window_days,
    monitored_model.error_minimum_days,
    monitored_model.error_minimum_rows,
    monitored_model.monitored_at,
    budget_use.budget,
    budget_use.spent,
    typical_error.days AS judged_days,
    typical_error.labelled AS judged_rows,
    coalesce(typical_error.is_judged, false) AS is_judged
FROM model_status
LEFT JOIN monitored_model ON model_status.model = monitored_model.model
LEFT JOIN budget_use ON model_status.model = budget_use.model
LEFT JOIN typical_error ON model_status.model = typical_error.model
WHERE model_status.model = %(model)s::text
