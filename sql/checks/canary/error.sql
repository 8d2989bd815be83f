-- Mean error of the predictions of candidate and champion in the window whose label is known by now.
-- The error is the absolute error of a number, or the log-loss of a class.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of stored_at)
-- returns: subject (`candidate`, `champion`), value, standard_error, sample_size (labelled predictions)
WITH side (subject, revision) AS (
    VALUES ('candidate', %(candidate)s::text), ('champion', %(champion)s::text)
),

scored AS (
    SELECT
        revision,
        coalesce(absolute_error, log_loss) AS error
    FROM scored_prediction
    WHERE
        model = %(model)s::text
        AND stored_at >= %(window_start)s::timestamptz
        AND stored_at < %(window_end)s::timestamptz
)

SELECT
    side.subject,
    avg(scored.error) AS value,
    stddev_samp(scored.error) / sqrt(count(scored.error)) AS standard_error,
    count(scored.error) AS sample_size
FROM side
LEFT JOIN scored ON side.revision = scored.revision
GROUP BY side.subject
