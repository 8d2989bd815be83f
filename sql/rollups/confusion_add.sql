-- Adds changes to the counts of label and predicted class, by the hour of the prediction and the day of knowledge.
-- params: model text. It reads the temporary table error_change.
-- returns: nothing
INSERT INTO confusion_rollup AS known (model, version, bucket_start, known_day, label, predicted, count)
SELECT
    %(model)s::text AS model,
    version,
    predicted_hour AS bucket_start,
    known_day,
    label_class AS label,
    predicted_class AS predicted,
    sum(sign) AS count
FROM error_change
WHERE version IS NOT NULL AND log_loss IS NOT NULL
GROUP BY version, predicted_hour, known_day, label_class, predicted_class
ON CONFLICT (model, version, bucket_start, known_day, label, predicted) DO UPDATE
    SET
        count = known.count + excluded.count
