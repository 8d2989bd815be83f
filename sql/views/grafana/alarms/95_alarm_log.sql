-- The alert rule "log losing rows": 1 where less of the newest day's rows is in the log than the breaker asks for.
CREATE OR REPLACE VIEW alarm_log AS
SELECT
    monitored_model.model,
    coalesce(log_day.completeness < monitored_model.completeness_floor, false)::integer AS value
FROM monitored_model
LEFT JOIN log_day ON monitored_model.model = log_day.model
