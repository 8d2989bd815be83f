-- The alert rule "labels have stopped": 1 where the newest row with a label is older than the labels' delay, their load
-- and the silence that model.yaml allows. Where no label ever came, the oldest row counts.
CREATE OR REPLACE VIEW alarm_labels AS
SELECT
    monitored_model.model,
    coalesce(label_delay.days_without > label_delay.days_allowed, false)::integer AS value
FROM monitored_model
LEFT JOIN label_delay ON monitored_model.model = label_delay.model
