-- Makes the partitions of this month and the next two, and fills every gap before, where they are missing.
-- params: none
-- returns: nothing of interest
WITH parent (name) AS (
    VALUES ('prediction_log'), ('label')
),

span AS (
    SELECT
        parent.name,
        bounds.lower_bound,
        bounds.upper_bound
    FROM parent
    CROSS JOIN LATERAL partition_span(parent.name) AS bounds
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
        AND NOT EXISTS (
            SELECT 1
            FROM span AS following
            WHERE following.name = span.name AND following.lower_bound = span.upper_bound
        )
    UNION ALL
    SELECT
        parent.name,
        clock_timestamp() + months.ahead * interval '1 month' AS at
    FROM parent
    CROSS JOIN generate_series(0, 2) AS months (ahead)
)

SELECT ensure_partition(name, at)
FROM needed
