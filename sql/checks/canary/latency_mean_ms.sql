-- Time in which candidate and champion answered their requests, by the moment they were stored in.
-- Rejected requests (4xx) say nothing about a revision, so they do not count. A revision that rejects everything is
-- therefore never judged healthy. Neighbouring requests are slowed down together, so a moment is one sample.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of stored_at);
--   moment_seconds double precision
-- returns: subject (`candidate`, `champion`), moment bigint (from 0), total (milliseconds),
--   size (requests that were not rejected)
WITH flush AS (
    SELECT
        CASE revision WHEN %(candidate)s::text THEN 'candidate' ELSE 'champion' END AS subject,
        floor(
            extract(EPOCH FROM stored_at - %(window_start)s::timestamptz) / %(moment_seconds)s::double precision
        )::bigint AS moment,
        requests - rejected AS answered,
        latency_ms_sum
    FROM request_stat
    WHERE
        model = %(model)s::text
        AND revision IN (%(candidate)s::text, %(champion)s::text)
        AND stored_at >= %(window_start)s::timestamptz
        AND stored_at < %(window_end)s::timestamptz
)

SELECT
    subject,
    moment,
    sum(latency_ms_sum) AS total,
    sum(answered)::bigint AS size
FROM flush
GROUP BY subject, moment
HAVING sum(answered) > 0
ORDER BY moment, subject
