-- The alert rule "a monitor does not run": 1 where three times the longest gap of its schedule has passed since it ran.
-- A model that nothing serves, as a retired one, needs no monitor.
CREATE OR REPLACE VIEW alarm_monitor AS
SELECT
    monitored_model.model,
    (
        serving_version.model IS NOT NULL
        AND clock_timestamp() - monitored_model.monitored_at
        > 3 * monitored_model.longest_gap + interval '10 minutes'
    )::integer AS value
FROM monitored_model
LEFT JOIN serving_version ON monitored_model.model = serving_version.model
