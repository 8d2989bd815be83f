-- Mean time in which candidate and champion answered a request, as stored in the window.
-- Rejected requests (4xx) say nothing of a revision, so one that rejects everything is never judged healthy.
-- An instance's flush is one cluster of requests: what slows neighbours together counts once in the error.
-- params: model text, candidate text, champion text: revisions; window_start, window_end: of stored_at
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
