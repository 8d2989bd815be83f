-- What came in during a window of event time, and since when labels are overdue.
-- params: model text; window_start, window_end timestamptz; delay interval (of labels);
--   overdue_before timestamptz (rows that were answered later may still wait for their label); least_rows integer
-- returns: requests, rejected, answered, in_log, set_aside, conflicting bigint (without rows that wait in a spool);
--   newest_label timestamptz; unlabelled_since timestamptz, the time of answered row number least_rows whose label is
--   overdue, or NULL
WITH request AS (
    SELECT
        coalesce(sum(requests), 0)::bigint AS requests,
        coalesce(sum(rejected), 0)::bigint AS rejected
    FROM request_stat
    WHERE
        model = %(model)s::text
        AND bucket_start >= %(window_start)s::timestamptz
        AND bucket_start < %(window_end)s::timestamptz
),

logged AS (
    SELECT
        coalesce(sum(expected - pending), 0)::bigint AS answered,
        coalesce(sum(stored + repeated), 0)::bigint AS in_log,
        coalesce(sum(set_aside), 0)::bigint AS set_aside,
        coalesce(sum(conflicting), 0)::bigint AS conflicting
    FROM log_window_completeness
    WHERE
        model = %(model)s::text
        AND window_start >= %(window_start)s::timestamptz
        AND window_start < %(window_end)s::timestamptz
),

newest AS (
    SELECT max(observed_at) AS label
    FROM label
    WHERE model = %(model)s::text AND observed_at <= %(window_end)s::timestamptz
),

-- While labels keep coming, no row lies between the two bounds, and this costs nothing.
waiting AS (
    SELECT prediction_log.created_at
    FROM prediction_log
    CROSS JOIN newest
    WHERE
        prediction_log.model = %(model)s::text
        AND prediction_log.version IS NOT NULL
        AND prediction_log.created_at < %(overdue_before)s::timestamptz
        AND prediction_log.created_at > coalesce(newest.label - %(delay)s::interval, '-infinity')
        AND NOT EXISTS (
            SELECT 1
            FROM label
            WHERE
                label.model = %(model)s::text
                AND label.id = prediction_log.id
                AND label.observed_at <= %(window_end)s::timestamptz
        )
    ORDER BY prediction_log.created_at
    LIMIT 1 OFFSET (%(least_rows)s::integer - 1)
)

SELECT
    request.requests,
    request.rejected,
    logged.answered,
    logged.in_log,
    logged.set_aside,
    logged.conflicting,
    newest.label AS newest_label,
    waiting.created_at AS unlabelled_since
FROM request
CROSS JOIN logged
CROSS JOIN newest
LEFT JOIN waiting ON true
