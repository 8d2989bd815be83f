-- Sums the errors of predictions whose newest label was observed in the hours, of versions with a profile.
-- Sums run in the order of ids: floating point then gives the same bits whenever an hour is summed.
-- params: model text, start timestamptz, stop timestamptz (whole hours)
-- returns: nothing
INSERT INTO error_rollup (
    model,
    version,
    bucket_start,
    count,
    sum_label,
    sum_prediction,
    sum_absolute_error,
    sum_squared_error,
    sum_log_loss,
    sum_squared_log_loss
)
SELECT
    scored.model,
    scored.version,
    date_trunc('hour', scored.observed_at, 'UTC') AS bucket_start,
    count(*) AS count,
    sum(scored.label ORDER BY scored.id) AS sum_label,
    sum(scored.prediction ORDER BY scored.id) AS sum_prediction,
    sum(scored.absolute_error ORDER BY scored.id) AS sum_absolute_error,
    sum(power(scored.absolute_error, 2) ORDER BY scored.id) AS sum_squared_error,
    sum(scored.log_loss ORDER BY scored.id) AS sum_log_loss,
    sum(power(scored.log_loss, 2) ORDER BY scored.id) AS sum_squared_log_loss
FROM scored_prediction AS scored
INNER JOIN reference_profile
    ON
        scored.model = reference_profile.model
        AND scored.version = reference_profile.version
WHERE
    scored.model = %(model)s::text
    AND scored.observed_at >= %(start)s::timestamptz
    AND scored.observed_at < %(stop)s::timestamptz
    AND coalesce(scored.absolute_error, scored.log_loss) IS NOT NULL
GROUP BY scored.model, scored.version, date_trunc('hour', scored.observed_at, 'UTC')
