-- The alert rule "service failing": 1 where a service check of the version that serves has failed in its newest window.
CREATE OR REPLACE VIEW alarm_service AS
SELECT
    monitored_model.model,
    coalesce(bool_or(newest_check.verdict = 'failed'), false)::integer AS value
FROM monitored_model
LEFT JOIN newest_check ON monitored_model.model = newest_check.model AND newest_check.kind = 'service'
GROUP BY monitored_model.model
