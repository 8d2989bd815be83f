-- Error of the predictions of candidate and champion whose label is known by now, by the moment they were stored in.
-- The error is the absolute error of a number, or the log-loss of a class. All rows of a request are in one moment.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of stored_at);
--   moment_seconds double precision
-- returns: subject (`candidate`, `champion`), moment bigint (from 0), total (sum of errors),
--   size (labelled predictions)
WITH scored AS (
    SELECT
        CASE revision WHEN %(candidate)s::text THEN 'candidate' ELSE 'champion' END AS subject,
        floor(
            extract(EPOCH FROM stored_at - %(window_start)s::timestamptz) / %(moment_seconds)s::double precision
        )::bigint AS moment,
        coalesce(absolute_error, log_loss) AS error
    FROM scored_prediction
    WHERE
        model = %(model)s::text
        AND revision IN (%(candidate)s::text, %(champion)s::text)
        AND stored_at >= %(window_start)s::timestamptz
        AND stored_at < %(window_end)s::timestamptz
)

SELECT
    subject,
    moment,
    sum(error) AS total,
    count(error) AS size
FROM scored
GROUP BY subject, moment
HAVING count(error) > 0
ORDER BY moment, subject
