-- The alert rule "a hold waits for a person": 1 where a hold is open. A retired model's hold waits for nobody.
CREATE OR REPLACE VIEW alarm_hold AS
SELECT
    monitored_model.model,
    (count(hold.hold_id) > 0 AND count(retired_model.model) = 0)::integer AS value
FROM monitored_model
LEFT JOIN hold ON monitored_model.model = hold.model AND hold.closed_at IS NULL
LEFT JOIN retired_model ON monitored_model.model = retired_model.model
GROUP BY monitored_model.model
