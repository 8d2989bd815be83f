-- Share of requests that were answered with a server error (5xx).
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject, value (0..1), sample_size (requests)
SELECT
    'all' AS subject,
    sum(failures)::double precision / nullif(sum(requests), 0) AS value,
    coalesce(sum(requests), 0)::bigint AS sample_size
FROM request_rollup
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND bucket_start >= %(window_start)s::timestamptz
    AND bucket_start < %(window_end)s::timestamptz
