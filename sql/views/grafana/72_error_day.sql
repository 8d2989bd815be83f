-- A version's mean error by day, beside the accepted error and the limit of its policy. A day has the rows whose label
-- was due in it, as in labelled_day(). The metric is that of the policy.
CREATE OR REPLACE VIEW error_day AS
WITH day AS (
    SELECT
        error_rollup.model,
        error_rollup.version,
        date_trunc('day', error_rollup.bucket_start + monitored_model.label_delay, 'UTC') AS day,
        sum(error_rollup.count)::bigint AS labelled,
        sum(coalesce(error_rollup.sum_absolute_error, error_rollup.sum_log_loss)) AS total
    FROM error_rollup
    INNER JOIN monitored_model ON error_rollup.model = monitored_model.model
    GROUP BY
        error_rollup.model,
        error_rollup.version,
        date_trunc('day', error_rollup.bucket_start + monitored_model.label_delay, 'UTC')
)

SELECT
    day.model,
    day.version,
    day.day,
    day.labelled,
    (day.total / day.labelled)::double precision AS error,
    reference_profile.metric,
    reference_profile.accepted_error,
    reference_profile.accepted_error * monitored_model.error_limit AS error_limit
FROM day
INNER JOIN monitored_model ON day.model = monitored_model.model
LEFT JOIN reference_profile ON day.model = reference_profile.model AND day.version = reference_profile.version
WHERE day.labelled > 0
