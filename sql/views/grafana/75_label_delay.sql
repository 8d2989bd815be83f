-- How long labels take, by model: the hours within which half of those of the newest 28 days came, and how long ago the
-- newest answered row was answered that has a label. Without any label, how long ago the oldest answered row was.
CREATE OR REPLACE VIEW label_delay AS
WITH newest AS (
    SELECT
        monitored_model.model,
        monitored_model.label_delay,
        monitored_model.label_load,
        monitored_model.silent_days,
        model_present.present,
        (
            SELECT max(error_rollup.bucket_start) + interval '1 hour'
            FROM reference_profile
            INNER JOIN error_rollup
                ON
                    reference_profile.model = error_rollup.model
                    AND reference_profile.version = error_rollup.version
            WHERE reference_profile.model = monitored_model.model AND error_rollup.count > 0
        ) AS labelled_until,
        (
            SELECT min(oldest.bucket_start)
            FROM reference_profile
            CROSS JOIN
                LATERAL (
                    SELECT row_rollup.bucket_start
                    FROM row_rollup
                    WHERE row_rollup.model = reference_profile.model AND row_rollup.version = reference_profile.version
                    ORDER BY row_rollup.bucket_start
                    LIMIT 1
                ) AS oldest
            WHERE reference_profile.model = monitored_model.model
        ) AS answered_since
    FROM monitored_model
    INNER JOIN model_present ON monitored_model.model = model_present.model
)

SELECT
    newest.model,
    newest.present,
    newest.labelled_until,
    (
        WITH by_age AS (
            SELECT
                error_age_rollup.label_age_hours,
                sum(sum(error_age_rollup.count)) OVER (ORDER BY error_age_rollup.label_age_hours) AS labelled,
                sum(sum(error_age_rollup.count)) OVER () AS all_labelled
            FROM reference_profile
            INNER JOIN error_age_rollup
                ON
                    reference_profile.model = error_age_rollup.model
                    AND reference_profile.version = error_age_rollup.version
            WHERE
                reference_profile.model = newest.model
                AND error_age_rollup.bucket_start >= newest.labelled_until - interval '28 days'
            GROUP BY error_age_rollup.label_age_hours
        )

        SELECT min(by_age.label_age_hours) FILTER (WHERE 2 * by_age.labelled >= by_age.all_labelled)
        FROM by_age
    ) AS median_hours,
    (
        extract(EPOCH FROM newest.present - coalesce(newest.labelled_until, newest.answered_since)) / 86400
    )::double precision AS days_without,
    (extract(EPOCH FROM newest.label_delay + newest.label_load) / 86400)::double precision
    + newest.silent_days AS days_allowed
FROM newest
