-- How many days of equal traffic are worth as much as the days of a window, by the rows that they had.
-- It is (sum of rows)^2 / (sum of squared rows of a day): seven days with equally many are 7, one with nearly all is
-- little more than 1 (Kish 1965).
-- params: model text, version integer, window_start, window_end timestamptz (whole hours)
-- returns: days, NULL when the window has no rows
WITH day AS (
    SELECT sum(count)::double precision AS count
    FROM row_rollup
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND bucket_start >= %(window_start)s::timestamptz
        AND bucket_start < %(window_end)s::timestamptz
    GROUP BY date_trunc('day', bucket_start, 'UTC')
)

SELECT sum(count) ^ 2 / nullif(sum(count ^ 2), 0) AS days
FROM day
