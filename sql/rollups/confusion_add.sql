-- Adds changes to the counts of label and predicted class, by the hour of the label and of the prediction.
-- params: model text. It reads the temporary table error_change.
-- returns: nothing
INSERT INTO confusion_rollup AS known (model, version, time_basis, bucket_start, label, predicted, count)
SELECT
    %(model)s::text AS model,
    error_change.version,
    basis.time_basis,
    basis.bucket_start,
    error_change.label_class AS label,
    error_change.predicted_class AS predicted,
    sum(error_change.sign) AS count
FROM error_change
CROSS JOIN
    LATERAL (
        VALUES ('label', error_change.observed_hour), ('prediction', error_change.predicted_hour)
    ) AS basis (time_basis, bucket_start)
WHERE error_change.version IS NOT NULL AND error_change.log_loss IS NOT NULL
GROUP BY
    error_change.version,
    basis.time_basis,
    basis.bucket_start,
    error_change.label_class,
    error_change.predicted_class
ON CONFLICT (model, version, time_basis, bucket_start, label, predicted) DO UPDATE
    SET
        count = known.count + excluded.count
