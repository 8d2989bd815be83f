-- Adds changes to the errors by the hour of the prediction and the day on which they became known.
-- params: model text. It reads the temporary table error_change.
-- returns: nothing
INSERT INTO error_rollup AS known (
    model,
    version,
    bucket_start,
    known_day,
    count,
    sum_label,
    sum_prediction,
    sum_absolute_label,
    sum_absolute_error,
    sum_squared_error,
    sum_log_loss,
    sum_squared_log_loss,
    sum_brier,
    sum_squared_brier
)
SELECT
    %(model)s::text AS model,
    version,
    predicted_hour AS bucket_start,
    known_day,
    sum(sign) AS count,
    sum(sign * label) AS sum_label,
    sum(sign * prediction) AS sum_prediction,
    sum(sign * abs(label)) AS sum_absolute_label,
    sum(sign * absolute_error) AS sum_absolute_error,
    sum(sign * power(absolute_error, 2)) AS sum_squared_error,
    sum(sign * log_loss) AS sum_log_loss,
    sum(sign * power(log_loss, 2)) AS sum_squared_log_loss,
    sum(sign * brier) AS sum_brier,
    sum(sign * power(brier, 2)) AS sum_squared_brier
FROM error_change
WHERE version IS NOT NULL AND coalesce(absolute_error, log_loss) IS NOT NULL
GROUP BY version, predicted_hour, known_day
ON CONFLICT (model, version, bucket_start, known_day) DO UPDATE SET
    count = known.count + excluded.count,
    sum_label = coalesce(
        known.sum_label + excluded.sum_label, known.sum_label, excluded.sum_label
    ),
    sum_prediction = coalesce(
        known.sum_prediction + excluded.sum_prediction, known.sum_prediction, excluded.sum_prediction
    ),
    sum_absolute_label = coalesce(
        known.sum_absolute_label + excluded.sum_absolute_label, known.sum_absolute_label, excluded.sum_absolute_label
    ),
    sum_absolute_error = coalesce(
        known.sum_absolute_error + excluded.sum_absolute_error, known.sum_absolute_error, excluded.sum_absolute_error
    ),
    sum_squared_error = coalesce(
        known.sum_squared_error + excluded.sum_squared_error, known.sum_squared_error, excluded.sum_squared_error
    ),
    sum_log_loss = coalesce(
        known.sum_log_loss + excluded.sum_log_loss, known.sum_log_loss, excluded.sum_log_loss
    ),
    sum_squared_log_loss = coalesce(
        known.sum_squared_log_loss + excluded.sum_squared_log_loss,
        known.sum_squared_log_loss,
        excluded.sum_squared_log_loss
    ),
    sum_brier = coalesce(
        known.sum_brier + excluded.sum_brier, known.sum_brier, excluded.sum_brier
    ),
    sum_squared_brier = coalesce(
        known.sum_squared_brier + excluded.sum_squared_brier, known.sum_squared_brier, excluded.sum_squared_brier
    )
