-- The alert rule "error has risen": 1 where a typical day's error of the version that serves is above its limit.
CREATE OR REPLACE VIEW alarm_error AS
SELECT
    monitored_model.model,
    coalesce(typical_error.is_judged AND typical_error.error > typical_error.error_limit, false)::integer AS value
FROM monitored_model
LEFT JOIN typical_error ON monitored_model.model = typical_error.model
