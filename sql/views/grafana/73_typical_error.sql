-- A typical day's error of the version that serves: the geometric mean of its labelled whole days, as the policy's
-- error trigger has it. Where the newest days have too few labels, older ones are taken too, and several days count as
-- one. is_judged: whether there are the days and labels that the trigger needs.
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
    WITH RECURSIVE span AS (
        SELECT
            date_trunc('day', model_present.present, 'UTC') AS window_end,
            make_interval(days => monitored_model.error_window_days) + monitored_model.label_load AS length,
            make_interval(days => greatest(monitored_model.error_window_days, monitored_model.error_minimum_rows))
            + monitored_model.label_load AS reach,
            min(first.bucket_start) + monitored_model.label_delay AS first_due
        FROM error_rollup AS first
        WHERE first.model = serving_version.model AND first.version = serving_version.version
    ),

    known AS (
        SELECT
            date_trunc('day', hour.bucket_start + monitored_model.label_delay, 'UTC') AS day,
            (sum(coalesce(hour.sum_absolute_error, hour.sum_log_loss)) / sum(hour.count))::double precision AS error,
            sum(hour.count) AS labelled,
            min(hour.bucket_start) >= min(span.window_end - span.length) - monitored_model.label_delay AS is_recent
        FROM error_rollup AS hour
        CROSS JOIN span
        WHERE
            hour.model = serving_version.model
            AND hour.version = serving_version.version
            AND hour.bucket_start >= span.window_end - span.reach - monitored_model.label_delay
            AND hour.bucket_start < span.window_end - monitored_model.label_delay
            AND hour.known_day < span.window_end
            AND date_trunc('day', hour.bucket_start + monitored_model.label_delay, 'UTC') >= span.first_due
        GROUP BY date_trunc('day', hour.bucket_start + monitored_model.label_delay, 'UTC')
        HAVING sum(hour.count) > 0
    ),

    numbered AS (
        SELECT
            known.error,
            known.labelled,
            known.is_recent,
            bool_or(known.is_recent) OVER () AS has_recent,
            row_number() OVER (ORDER BY known.day DESC) AS place,
            sum(known.labelled) OVER (ORDER BY known.day DESC) - known.labelled AS labelled_after
        FROM known
    ),

    newest AS (
        SELECT
            numbered.place,
            numbered.error,
            numbered.labelled
        FROM numbered
        WHERE
            (numbered.is_recent AND numbered.place <= monitored_model.error_window_days)
            OR (numbered.has_recent AND numbered.labelled_after < monitored_model.error_minimum_rows)
    ),

    -- Each day joins the block after it, until the block has its share of the labels that are needed.
    joined AS (
        SELECT
            newest.place,
            newest.labelled AS in_block,
            1 AS block
        FROM newest
        WHERE newest.place = 1

        UNION ALL

        SELECT
            newest.place,
            CASE WHEN joined.in_block < share.labelled THEN joined.in_block ELSE 0 END + newest.labelled AS in_block,
            joined.block + CASE WHEN joined.in_block < share.labelled THEN 0 ELSE 1 END AS block
        FROM joined
        INNER JOIN newest ON joined.place + 1 = newest.place
        CROSS JOIN (
            SELECT ceil(monitored_model.error_minimum_rows::numeric / monitored_model.error_minimum_days) AS labelled
        ) AS share
    ),

    -- The oldest days may be too few labels for a block of their own. They then belong to the block after them.
    oldest AS (
        SELECT
            joined.block,
            joined.block > 1
            AND joined.in_block * monitored_model.error_minimum_days < monitored_model.error_minimum_rows AS is_small
        FROM joined
        ORDER BY joined.place DESC
        LIMIT 1
    ),

    blocks AS (
        SELECT
            sum(newest.error * newest.labelled) / sum(newest.labelled) AS error,
            count(*) AS days,
            sum(newest.labelled) AS labelled
        FROM newest
        INNER JOIN joined ON newest.place = joined.place
        CROSS JOIN oldest
        GROUP BY CASE WHEN oldest.is_small THEN least(joined.block, oldest.block - 1) ELSE joined.block END
    )

    SELECT
        exp(avg(ln(greatest(blocks.error, 0.01 * serving_version.accepted_error, 1e-150))))::double precision AS error,
        coalesce(sum(blocks.days), 0)::bigint AS days,
        sum(blocks.labelled)::bigint AS labelled
    FROM blocks
) AS found
