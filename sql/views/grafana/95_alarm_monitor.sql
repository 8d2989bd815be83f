-- The alert rule "a monitor does not run": 1 where three times the longest gap of its schedule has passed since it ran.
CREATE OR REPLACE VIEW alarm_monitor AS
SELECT
    model,
    (clock_timestamp() - monitored_at > 3 * longest_gap + interval '10 minutes')::integer AS value
FROM monitored_model
