-- Drop of the requests of all versions against the same hours in earlier weeks, which is 1 - requests / expected.
-- Expected is the mean over the window 1, 2, 3 and 4 weeks before, as far as there was traffic by then. In the first
-- weeks it is the mean over the window 1 to 6 days before.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject, value (below 0 for more than expected, 1 for no request), sample_size (expected requests)
WITH first_request AS (
    SELECT min(bucket_start) AS at
    FROM request_rollup
    WHERE model = %(model)s::text
),

earlier AS (
    SELECT
        shift.number >= 7 AS is_weekly,
        make_interval(days => shift.number) AS age
    FROM unnest(ARRAY[1, 2, 3, 4, 5, 6, 7, 14, 21, 28]) AS shift (number)
    CROSS JOIN first_request
    WHERE
        make_interval(days => shift.number) >= %(window_end)s::timestamptz - %(window_start)s::timestamptz
        AND first_request.at <= %(window_start)s::timestamptz - make_interval(days => shift.number)
),

chosen AS (
    SELECT age
    FROM earlier
    WHERE is_weekly OR NOT (SELECT bool_or(any_earlier.is_weekly) FROM earlier AS any_earlier)
    UNION ALL
    SELECT make_interval() AS age
),

counted AS (
    SELECT
        chosen.age,
        coalesce(sum(request_rollup.requests), 0) AS requests
    FROM chosen
    LEFT JOIN request_rollup
        ON
            request_rollup.model = %(model)s::text
            AND request_rollup.bucket_start >= %(window_start)s::timestamptz - chosen.age
            AND request_rollup.bucket_start < %(window_end)s::timestamptz - chosen.age
    GROUP BY chosen.age
),

total AS (
    SELECT
        sum(requests) FILTER (WHERE age = make_interval()) AS requests,
        avg(requests) FILTER (WHERE age > make_interval()) AS expected
    FROM counted
)

SELECT
    'all' AS subject,
    (1 - requests / nullif(expected, 0))::double precision AS value,
    round(coalesce(expected, 0))::bigint AS sample_size
FROM total
