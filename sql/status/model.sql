-- How a model is: what serves, its error beside the accepted one, its log and its labels, as on Grafana's boards.
-- params: model text
-- returns: one row. What is not known is NULL, as before the first version or without labels.
SELECT
    model_present.present AS at,
    serving_version.version,
    serving_version.revision,
    serving_version.promoted_at,
    serving_version.metric,
    typical_error.error,
    serving_version.accepted_error,
    typical_error.error_limit,
    typical_error.error / nullif(serving_version.accepted_error, 0) AS error_ratio,
    typical_error.days AS error_days,
    typical_error.labelled AS error_labels,
    typical_error.is_judged,
    log_day.completeness,
    label_delay.median_hours AS label_median_hours,
    label_delay.days_without AS days_without_label,
    incident.incident_id,
    incident.reason AS incident_reason,
    alarm_monitor.value = 1 AS is_unwatched
FROM (VALUES (%(model)s::text)) AS asked (model)
LEFT JOIN serving_version ON asked.model = serving_version.model
LEFT JOIN typical_error ON asked.model = typical_error.model
LEFT JOIN log_day ON asked.model = log_day.model
LEFT JOIN label_delay ON asked.model = label_delay.model
LEFT JOIN model_present ON asked.model = model_present.model
LEFT JOIN alarm_monitor ON asked.model = alarm_monitor.model
LEFT JOIN incident ON asked.model = incident.model AND incident.closed_at IS NULL
