-- Makes the partitions of this month and the next two, and fills every gap before, where they are missing.
-- params: none
-- returns: nothing of interest
WITH parent (name) AS (
    VALUES ('prediction_log'), ('label')
),

span AS (
    SELECT
        parent.name,
        span.lower_bound,
        span.upper_bound
    FROM parent
    CROSS JOIN LATERAL partition_span(parent.name) AS span
),

needed AS (
    SELECT
        name,
        '-infinity'::timestamptz AS at
    FROM parent
    UNION ALL
    SELECT
        name,
        upper_bound AS at
    FROM span
    WHERE
        upper_bound < clock_timestamp()
        AND (name, upper_bound) NOT IN (SELECT span.name, span.lower_bound FROM span)
    UNION ALL
    SELECT
        parent.name,
        clock_timestamp() + months.ahead * interval '1 month' AS at
    FROM parent
    CROSS JOIN generate_series(0, 2) AS months (ahead)
)

SELECT ensure_partition(name, at)
FROM needed
