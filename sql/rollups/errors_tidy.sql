-- Removes the sums that have become nothing. A correction leaves no row more, and another sum.
-- params: model text
-- returns: nothing
WITH aged AS (
    DELETE FROM error_age_rollup
    WHERE model = %(model)s::text AND count = 0
),

classes AS (
    DELETE FROM confusion_rollup
    WHERE model = %(model)s::text AND count = 0
)

DELETE FROM error_rollup
WHERE
    model = %(model)s::text
    AND count = 0
    AND coalesce(sum_label, 0) = 0
    AND coalesce(sum_prediction, 0) = 0
    AND coalesce(sum_absolute_label, 0) = 0
    AND coalesce(sum_absolute_error, 0) = 0
    AND coalesce(sum_squared_error, 0) = 0
    AND coalesce(sum_log_loss, 0) = 0
    AND coalesce(sum_squared_log_loss, 0) = 0
    AND coalesce(sum_brier, 0) = 0
    AND coalesce(sum_squared_brier, 0) = 0
