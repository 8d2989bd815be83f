-- Mean time in which candidate and champion answered a request, in milliseconds, as stored in the window.
-- Rejected requests (4xx) say nothing about a revision, so they do not count. A revision that rejects everything is
-- therefore never judged healthy. One flush of an instance is one cluster of requests in the standard error, because
-- neighbouring requests are slowed down together.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of stored_at)
-- returns: subject (`candidate`, `champion`), value (ms), standard_error (NULL below ten flushes), sample_size
--   (requests that were not rejected)
WITH side (subject, revision) AS (
    VALUES ('candidate', %(candidate)s::text), ('champion', %(champion)s::text)
),

flush AS (
    SELECT
        revision,
        sum(requests - rejected)::double precision AS answered,
        sum(latency_ms_sum) AS milliseconds
    FROM request_stat
    WHERE
        model = %(model)s::text
        AND revision IN (%(candidate)s::text, %(champion)s::text)
        AND stored_at >= %(window_start)s::timestamptz
        AND stored_at < %(window_end)s::timestamptz
    GROUP BY revision, instance_id, flush_number
    HAVING sum(requests - rejected) > 0
),

total AS (
    SELECT
        revision,
        sum(answered) AS answered,
        sum(milliseconds) / sum(answered) AS mean
    FROM flush
    GROUP BY revision
),

spread AS (
    SELECT
        flush.revision,
        count(*) AS flushes,
        sqrt(sum(power(flush.milliseconds - total.mean * flush.answered, 2)) * count(*) / nullif(count(*) - 1, 0))
        / sum(flush.answered) AS standard_error
    FROM flush
    INNER JOIN total ON flush.revision = total.revision
    GROUP BY flush.revision
)

SELECT
    side.subject,
    total.mean AS value,
    CASE WHEN spread.flushes >= 10 THEN spread.standard_error END AS standard_error,
    coalesce(total.answered, 0)::bigint AS sample_size
FROM side
LEFT JOIN total ON side.revision = total.revision
LEFT JOIN spread ON side.revision = spread.revision
