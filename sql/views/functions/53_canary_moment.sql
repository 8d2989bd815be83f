-- What candidate and champion answered in each moment of a canary, by when it was stored. A moment lasts
-- moment_seconds, and the first is 0. Rejected requests (4xx) are not among the answered. Moments without any are left
-- out.
CREATE OR REPLACE FUNCTION canary_moment(
    of_model text,
    candidate text,
    champion text,
    window_start timestamptz,
    window_end timestamptz,
    moment_seconds double precision
) RETURNS TABLE (
    subject text,
    moment bigint,
    answered bigint,
    failures numeric,
    latency_ms_sum double precision
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH flush AS (
    SELECT
        CASE stat.revision WHEN candidate THEN 'candidate' ELSE 'champion' END AS subject,
        floor(extract(EPOCH FROM stat.stored_at - window_start) / moment_seconds)::bigint AS moment,
        stat.requests - stat.rejected AS answered,
        stat.failures,
        stat.latency_ms_sum
    FROM request_stat AS stat
    WHERE
        stat.model = of_model
        AND stat.revision IN (candidate, champion)
        AND stat.stored_at >= window_start
        AND stat.stored_at < window_end
)

SELECT
    flush.subject,
    flush.moment,
    sum(flush.answered)::bigint AS answered,
    sum(flush.failures) AS failures,
    sum(flush.latency_ms_sum) AS latency_ms_sum
FROM flush
GROUP BY flush.subject, flush.moment
HAVING sum(flush.answered) > 0
$$
