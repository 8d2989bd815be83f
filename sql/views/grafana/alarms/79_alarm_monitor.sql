-- The alert rule "a monitor does not run": 1 where three times the longest gap of its schedule has passed since it ran,
-- and where a version serves that no monitor ever watched. A model that nothing serves, as a retired one, needs none.
CREATE OR REPLACE VIEW alarm_monitor AS
SELECT
    coalesce(monitored_model.model, serving_version.model) AS model,
    (
        serving_version.model IS NOT NULL
        AND coalesce(
            clock_timestamp() - monitored_model.monitored_at
            > 3 * monitored_model.longest_gap + interval '10 minutes',
            true
        )
    )::integer AS value
FROM monitored_model
FULL JOIN serving_version ON monitored_model.model = serving_version.model
