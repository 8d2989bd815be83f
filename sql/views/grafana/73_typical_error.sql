-- A typical day's error of the version that serves: the geometric mean of its labelled whole days, newest first, as
-- the policy's error trigger has it. is_judged: whether it has the days and labels that the trigger needs.
CREATE OR REPLACE VIEW typical_error AS
SELECT
    serving_version.model,
    serving_version.version,
    serving_version.accepted_error,
    serving_version.accepted_error * monitored_model.error_limit AS error_limit,
    found.error,
    found.days,
    found.labelled,
    coalesce(
        found.days >= monitored_model.error_minimum_days AND found.labelled >= monitored_model.error_minimum_rows, false
    ) AS is_judged
FROM serving_version
INNER JOIN monitored_model ON serving_version.model = monitored_model.model
INNER JOIN model_present ON serving_version.model = model_present.model
CROSS JOIN LATERAL (
    WITH span AS (
        SELECT
            date_trunc('day', model_present.present, 'UTC') AS window_end,
            make_interval(days => monitored_model.error_window_days) + monitored_model.label_load AS length,
            min(first.bucket_start) + monitored_model.label_delay AS first_due
        FROM error_rollup AS first
        WHERE first.model = serving_version.model AND first.version = serving_version.version
    ),

    newest AS (
        SELECT
            date_trunc('day', hour.bucket_start + monitored_model.label_delay, 'UTC') AS day,
            (sum(coalesce(hour.sum_absolute_error, hour.sum_log_loss)) / sum(hour.count))::double precision AS error,
            sum(hour.count) AS labelled
        FROM error_rollup AS hour
        CROSS JOIN span
        WHERE
            hour.model = serving_version.model
            AND hour.version = serving_version.version
            AND hour.bucket_start >= span.window_end - span.length - monitored_model.label_delay
            AND hour.bucket_start < span.window_end - monitored_model.label_delay
            AND hour.known_day < span.window_end
            AND date_trunc('day', hour.bucket_start + monitored_model.label_delay, 'UTC') >= span.first_due
        GROUP BY date_trunc('day', hour.bucket_start + monitored_model.label_delay, 'UTC')
        HAVING sum(hour.count) > 0
        ORDER BY day DESC
        LIMIT monitored_model.error_window_days
    )

    SELECT
        exp(avg(ln(greatest(newest.error, 0.01 * serving_version.accepted_error, 1e-150))))::double precision AS error,
        count(*) AS days,
        sum(newest.labelled)::bigint AS labelled
    FROM newest
) AS found
