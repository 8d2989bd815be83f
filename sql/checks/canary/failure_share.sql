-- Requests that candidate and champion answered with a server error (5xx), by the moment they were stored in.
-- Rejected requests (4xx) say nothing about a revision, so they do not count. A revision that rejects everything is
-- therefore never judged healthy.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of stored_at);
--   moment_seconds double precision
-- returns: subject (`candidate`, `champion`), moment bigint (from 0), total (failures), size (requests that were not
--   rejected)
SELECT
    subject,
    moment,
    failures AS total,
    answered AS size
FROM
    canary_moment(
        %(model)s::text,
        %(candidate)s::text,
        %(champion)s::text,
        %(window_start)s::timestamptz,
        %(window_end)s::timestamptz,
        %(moment_seconds)s::double precision
    )
ORDER BY moment, subject
