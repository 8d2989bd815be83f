-- Mean time in which candidate and champion answered a request, as stored in the window.
-- Rejected requests (4xx) say nothing of a revision, so one that rejects everything is never judged healthy.
-- params: model text, candidate text, champion text: revisions; window_start, window_end: of stored_at
-- returns: subject (`candidate`, `champion`), value (ms), sample_size (requests that were not rejected)
WITH side (subject, revision) AS (
    VALUES ('candidate', %(candidate)s::text), ('champion', %(champion)s::text)
)

SELECT
    side.subject,
    sum(request_stat.latency_ms_sum) / nullif(sum(request_stat.requests - request_stat.rejected), 0) AS value,
    coalesce(sum(request_stat.requests - request_stat.rejected), 0)::bigint AS sample_size
FROM side
LEFT JOIN request_stat
    ON
        request_stat.model = %(model)s::text
        AND side.revision = request_stat.revision
        AND request_stat.stored_at >= %(window_start)s::timestamptz
        AND request_stat.stored_at < %(window_end)s::timestamptz
GROUP BY side.subject
