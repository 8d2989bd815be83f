-- What came in during a window of event time, and since when labels are overdue.
-- params: model text; window_start, window_end timestamptz; overdue_before timestamptz (rows that were answered later
--   may still wait for their label); due_since timestamptz (before it; the coverage by labels is told from then on,
--   and before then); least_rows integer
-- returns: requests, rejected, answered, in_log, set_aside, conflicting bigint (without rows that wait in a spool);
--   newest_labelled timestamptz, the time of the newest answered row with a label; unlabelled_since timestamptz, the
--   time of answered row number least_rows after it whose label is overdue, or NULL; due, due_labelled bigint, the rows
--   answered between the bounds and those with a label; due_before, due_labelled_before bigint, the same of older rows
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

-- The newest answered row whose label is known. Labels of ids that nobody was given tell nothing. Rows whose label is
-- overdue are looked at from the newest one back, and while labels keep coming the first of them has one.
newest AS (
    SELECT max(at) AS at
    FROM (
        SELECT prediction_id.created_at AS at
        FROM label
        INNER JOIN prediction_id ON prediction_id.model = %(model)s::text AND label.id = prediction_id.id
        WHERE
            label.model = %(model)s::text
            AND label.known_at > %(overdue_before)s::timestamptz
            AND label.known_at <= %(window_end)s::timestamptz
            AND prediction_id.created_at >= %(overdue_before)s::timestamptz
        UNION ALL
        (
            SELECT prediction_log.created_at AS at
            FROM prediction_log
            WHERE
                prediction_log.model = %(model)s::text
                AND prediction_log.version IS NOT NULL
                AND prediction_log.created_at < %(overdue_before)s::timestamptz
                AND EXISTS (
                    SELECT 1
                    FROM label
                    WHERE
                        label.model = %(model)s::text
                        AND label.id = prediction_log.id
                        AND label.known_at <= %(window_end)s::timestamptz
                )
            ORDER BY prediction_log.created_at DESC
            LIMIT 1
        )
    ) AS labelled
),

waiting AS (
    SELECT prediction_log.created_at
    FROM prediction_log
    CROSS JOIN newest
    WHERE
        prediction_log.model = %(model)s::text
        AND prediction_log.version IS NOT NULL
        AND prediction_log.created_at < %(overdue_before)s::timestamptz
        AND prediction_log.created_at > coalesce(newest.at, '-infinity')
    ORDER BY prediction_log.created_at
    LIMIT 1 OFFSET (%(least_rows)s::integer - 1)
),

-- Of the rows whose label was due in the days before the window's end, and of all rows before them: the labelled ones.
labelled AS (
    SELECT
        coalesce(sum(count) FILTER (WHERE bucket_start >= %(due_since)s::timestamptz), 0)::bigint AS due,
        coalesce(sum(count) FILTER (WHERE bucket_start < %(due_since)s::timestamptz), 0)::bigint AS before
    FROM error_rollup
    WHERE
        model = %(model)s::text
        AND bucket_start < %(overdue_before)s::timestamptz
        AND known_day < %(window_end)s::timestamptz
),

counted AS (
    SELECT
        coalesce(sum(count) FILTER (WHERE bucket_start >= %(due_since)s::timestamptz), 0)::bigint AS due,
        coalesce(sum(count) FILTER (WHERE bucket_start < %(due_since)s::timestamptz), 0)::bigint AS before
    FROM row_rollup
    WHERE model = %(model)s::text AND bucket_start < %(overdue_before)s::timestamptz
)

SELECT
    request.requests,
    request.rejected,
    logged.answered,
    logged.in_log,
    logged.set_aside,
    logged.conflicting,
    newest.at AS newest_labelled,
    waiting.created_at AS unlabelled_since,
    counted.due,
    labelled.due AS due_labelled,
    counted.before AS due_before,
    labelled.before AS due_labelled_before
FROM request
CROSS JOIN logged
CROSS JOIN newest
CROSS JOIN labelled
CROSS JOIN counted
LEFT JOIN waiting ON true
