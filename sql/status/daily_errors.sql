-- A model's mean error on each of its newest labelled days, over all versions that answered.
-- params: model text, days integer (at most so many)
-- returns: day timestamptz, error double precision, labelled bigint, the oldest day first
WITH newest AS (
    SELECT
        day,
        sum(labelled * error) / sum(labelled) AS error,
        sum(labelled)::bigint AS labelled
    FROM error_day
    WHERE model = %(model)s::text
    GROUP BY day
    ORDER BY day DESC
    LIMIT %(days)s::integer
)

SELECT
    day,
    error::double precision AS error,
    labelled
FROM newest
ORDER BY day
