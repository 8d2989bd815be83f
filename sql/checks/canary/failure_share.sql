-- Share of requests that candidate and champion answered with a server error (5xx), as stored in the window.
-- Rejected requests (4xx) say nothing about a revision, so they do not count. A revision that rejects everything is
-- therefore never judged healthy.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of stored_at)
-- returns: subject (`candidate`, `champion`), value (0..1), sample_size (requests that were not rejected)
WITH side (subject, revision) AS (
    VALUES ('candidate', %(candidate)s::text), ('champion', %(champion)s::text)
)

SELECT
    side.subject,
    sum(request_stat.failures)::double precision
    / nullif(sum(request_stat.requests - request_stat.rejected), 0) AS value,
    coalesce(sum(request_stat.requests - request_stat.rejected), 0)::bigint AS sample_size
FROM side
LEFT JOIN request_stat
    ON
        request_stat.model = %(model)s::text
        AND side.revision = request_stat.revision
        AND request_stat.stored_at >= %(window_start)s::timestamptz
        AND request_stat.stored_at < %(window_end)s::timestamptz
GROUP BY side.subject
