-- What came in during a window of event time, and when labels were last heard of.
-- params: model text, window_start timestamptz, window_end timestamptz, delay_hours double precision
-- returns: requests, rejected, answered, in_log, set_aside bigint (rows that wait in a spool are not counted);
--   newest_label timestamptz; oldest_unlabelled timestamptz: of rows answered since, whose labels are due later
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
        coalesce(sum(set_aside), 0)::bigint AS set_aside
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
)

SELECT
    request.requests,
    request.rejected,
    logged.answered,
    logged.in_log,
    logged.set_aside,
    newest.label AS newest_label,
    (
        SELECT min(prediction_log.created_at)
        FROM prediction_log
        WHERE
            prediction_log.model = %(model)s::text
            AND prediction_log.version IS NOT NULL
            AND prediction_log.created_at < %(window_end)s::timestamptz
            AND prediction_log.created_at > coalesce(
                newest.label - %(delay_hours)s::double precision * interval '1 hour', '-infinity'
            )
    ) AS oldest_unlabelled
FROM request
CROSS JOIN logged
CROSS JOIN newest
